//! The names of `--files-from` on the wire (spec: protocol 2.9).

use crate::error::{bail, Result};
use crate::flist::charset::Iconv;
use crate::plan::Plan;
use crate::wire::ints::Source;
use crate::wire::link::{Reader, Writer};

/// Longest name, and most bytes of all names together: they are held in memory.
const MAX_NAME: usize = 4096;
const MAX_NAMES: usize = 1 << 30;

/// The wire form of a list: names that end with NUL, none empty, then an empty one.
pub(super) fn encode(data: &[u8], nul: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 2);
    for &byte in data {
        let byte = if !nul && (byte == b'\n' || byte == b'\r') {
            0
        } else {
            byte
        };
        if byte == 0 && out.last().is_none_or(|&last| last == 0) {
            continue;
        }
        out.push(byte);
    }
    if out.last().is_some_and(|&last| last != 0) {
        out.push(0);
    }
    out.push(0);
    out
}

/// The conversion of names: only with secluded args, and as for them (spec: protocol 2.9).
fn charset(plan: &Plan) -> Option<Iconv> {
    plan.agreed
        .iconv
        .as_deref()
        .filter(|_| plan.agreed.secluded_args)
        .and_then(Iconv::new)
}

/// Read names up to the empty one. Below protocol 31 they come unframed, also on a framed stream.
pub(super) fn read_names(reader: &mut Reader, plan: &Plan) -> Result<Vec<Vec<u8>>> {
    let protocol = plan.agreed.protocol;
    let charset = charset(plan);
    let muxed = reader.is_muxed();
    if protocol < 31 && muxed {
        reader.stop_mux();
    }
    let mut names = Vec::new();
    let mut name = Vec::new();
    let mut total = 0;
    loop {
        match reader.byte()? {
            0 if name.is_empty() => break,
            0 => {
                let name = std::mem::take(&mut name);
                names.push(match charset {
                    Some(set) => set.convert(&name, false),
                    None => name,
                });
            }
            byte => {
                total += 1;
                if name.len() >= MAX_NAME || total > MAX_NAMES {
                    bail!(Memory; "list of file names too long");
                }
                name.push(byte);
            }
        }
    }
    if protocol < 31 && muxed {
        reader.start_mux();
    }
    Ok(names)
}

/// Send a list to the sender.
pub(crate) fn forward_names(writer: &Writer, plan: &Plan) -> Result<()> {
    let protocol = plan.agreed.protocol;
    let mut data = encode(&plan.select.files_from_data, plan.select.from0);
    if let Some(set) = charset(plan) {
        data = data
            .split(|&b| b == 0)
            .map(|name| set.convert(name, true))
            .collect::<Vec<_>>()
            .join(&0);
    }
    let muxed = writer.is_muxed();
    if protocol < 31 && muxed {
        writer.stop_mux();
    }
    writer.put(&data)?;
    if protocol < 31 && muxed {
        writer.start_mux();
    }
    writer.flush();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The captures of protocol 2.9.
    #[test]
    fn names_as_they_travel() {
        assert_eq!(encode(b"a\nsub/b", false), b"a\0sub/b\0\0");
        assert_eq!(encode(b"", false), b"\0");
        assert_eq!(encode(b"\r\n\na\r\n\n", false), b"a\0\0");
        assert_eq!(encode(b"a\nb\0", true), b"a\nb\0\0");
    }
}
