//! The figures of `--info=stats3` (spec: output 4).

use super::Report;

impl Report {
    /// Report the heap of this process under the name of one of its roles. The allocator's own figures cannot be read
    /// safely, so figures of the kernel stand for them: the area that grows by brk, and the anonymous mappings. All of
    /// it counts as used.
    pub fn report_heap(&self, role: impl std::fmt::Display) {
        let plan = self.plan();
        if plan.output.info.stats < 3 {
            return;
        }
        let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
        let heap = Heap::read(&maps);
        let server = if plan.place.is_server() { "server " } else { "" };
        self.info("");
        self.info(format!(
            "rsync[{}] ({server}{role}) heap statistics:",
            std::process::id()
        ));
        let (arena, mapped) = (heap.arena, heap.mapped);
        for (name, value, about) in [
            ("arena", arena, "bytes from sbrk"),
            ("ordblks", 0, "chunks not in use"),
            ("smblks", 0, "free fastbin blocks"),
            ("hblks", heap.mappings, "chunks from mmap"),
            ("hblkhd", mapped, "bytes from mmap"),
            ("allmem", arena + mapped, "bytes from sbrk + mmap"),
            ("usmblks", 0, "always 0"),
            ("fsmblks", 0, "bytes in freed fastbin blocks"),
            ("uordblks", arena, "bytes used"),
            ("fordblks", 0, "bytes free"),
            ("keepcost", 0, "bytes in releasable chunk"),
        ] {
            let width = 20 - name.len();
            self.info(format!("  {name}:{value:>width$}   ({about})"));
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Heap {
    arena: u64,
    mapped: u64,
    mappings: u64,
}

impl Heap {
    /// From lines like `55d0c000-55d2d000 rw-p 00000000 00:00 0    [heap]`; without a name: an anonymous mapping.
    fn read(maps: &[u8]) -> Self {
        let mut heap = Self::default();
        for line in String::from_utf8_lossy(maps).lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(range), Some(access)) = (words.next(), words.next()) else {
                continue;
            };
            let ends = range.split_once('-').map(|(from, to)| (number(from), number(to)));
            let Some((Some(from), Some(to))) = ends else { continue };
            if !access.starts_with("rw-p") {
                continue;
            }
            match words.nth(3) {
                Some("[heap]") => heap.arena += to.saturating_sub(from),
                None => {
                    heap.mapped += to.saturating_sub(from);
                    heap.mappings += 1;
                }
                Some(_) => {}
            }
        }
        heap
    }
}

fn number(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::Heap;

    #[test]
    fn reads_maps() {
        let maps = b"1000-3000 rw-p 00000000 00:00 0 [heap]\n8000-9000 rw-p 00000000 00:00 0 \n\
            a000-b000 r--p 00000000 00:00 0 \nc000-d000 rw-p 00000000 08:01 77 /lib/a.so\nodd\n-\n\
            e000-f000 rw-p 00000000 00:00 0 [stack]\n";
        let wanted = Heap {
            arena: 0x2000,
            mapped: 0x1000,
            mappings: 1,
        };
        assert_eq!(Heap::read(maps), wanted);
        assert_eq!(Heap::read(b""), Heap::default());
    }
}
