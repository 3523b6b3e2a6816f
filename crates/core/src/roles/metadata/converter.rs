//! Names and ids from a program of the operator, instead of the files of this machine (spec: daemon 11).

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};

use crate::flist::IdLookup;
use crate::plan::Handle;
use crate::report::say::text;
use crate::report::Report;

/// Bytes of a question with its end of line and a terminator, as in rsync.
const REQUEST_LIMIT: usize = 1024;
/// Longest name: a program that prints without end must not fill the memory.
const ANSWER_LIMIT: usize = 1024;
/// How long a program may take for an answer (spec: security SEC-35).
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a wait checks for a cancel.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The protocol is one line for a question, one for its answer.
pub(super) struct Converter {
    report: Report,
    pipes: Mutex<(Arc<OwnedFd>, Arc<OwnedFd>)>,
}

impl Converter {
    pub(super) fn new(report: &Report, answers: &Handle, questions: &Handle) -> Self {
        Self {
            report: report.clone(),
            pipes: Mutex::new((Arc::clone(&answers.0), Arc::clone(&questions.0))),
        }
    }

    /// The answer without its line end; `None` for an empty one and at the end of the stream.
    fn ask(&self, kind: &str, what: &[u8]) -> Option<Vec<u8>> {
        let question = text![kind, " ", what, "\n"];
        if question.len() >= REQUEST_LIMIT {
            self.end("namecvt_call() request was too large.", 4);
            return None;
        }
        let pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.report.is_cancelled() {
            return None;
        }
        if (Pipe(&pipes.1)).write_all(&question).is_err() {
            self.end("Connection to name-converter failed.", 10);
            return None;
        }
        self.line(&pipes.0).filter(|line| !line.is_empty())
    }

    fn line(&self, from: &OwnedFd) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let end = Instant::now() + PATIENCE;
        loop {
            if Instant::now() >= end {
                // A later answer would be taken for the answer to another question.
                self.end("Connection to name-converter failed.", 10);
                return None;
            }
            let mut fds = [PollFd::new(from, PollFlags::IN)];
            match poll(&mut fds, Some(&TICK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) if self.report.is_cancelled() => return None,
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return None,
            }
            // The program may print ahead; a byte at a time leaves the next line where it is.
            let mut byte = [0];
            match rustix::io::read(from, &mut byte) {
                Ok(1) if byte[0] == b'\n' => break,
                Ok(1) if line.len() < ANSWER_LIMIT => line.push(byte[0]),
                // The rest of a line that is too long is skipped.
                Ok(1) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return None,
            }
        }
        Some(line)
    }

    fn end(&self, text: &str, code: i32) {
        self.report.error(text);
        self.report.cancel(code);
    }

    fn id(&self, kind: &str, name: &[u8]) -> Option<u32> {
        if name.iter().any(|&byte| byte < 0x20 || byte == 0x7f) {
            self.report.error(text!["invalid name-converter token: ", name]);
            return None;
        }
        let answer = self.ask(kind, name)?;
        // Only digits make an id: an unclear answer must not become 0.
        if !answer.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: u32 = std::str::from_utf8(&answer).ok()?.parse().ok()?;
        (number != u32::MAX).then_some(number)
    }
}

struct Pipe<'a>(&'a OwnedFd);

impl Write for Pipe<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0.as_fd(), data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl IdLookup for Converter {
    fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        self.ask("uid", uid.to_string().as_bytes())
    }

    fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        self.ask("gid", gid.to_string().as_bytes())
    }

    fn user_id(&self, name: &[u8]) -> Option<u32> {
        self.id("usr", name)
    }

    fn group_id(&self, name: &[u8]) -> Option<u32> {
        self.id("grp", name)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;
    use crate::plan::Plan;

    /// A converter whose program is `answer`: each question becomes what it gives.
    fn converter(
        answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
    ) -> (Converter, std::thread::JoinHandle<Vec<String>>) {
        let (answers, reply) = rustix::pipe::pipe().unwrap();
        let (requests, questions) = rustix::pipe::pipe().unwrap();
        let program = std::thread::spawn(move || {
            let mut asked = Vec::new();
            let mut reply = std::fs::File::from(reply);
            for line in BufReader::new(std::fs::File::from(requests)).lines() {
                let line = line.unwrap();
                let _ = reply.write_all(&answer(&line));
                asked.push(line);
            }
            asked
        });
        let report = Report::new(Arc::new(Plan::default()), false);
        let handle = |fd| Handle(Arc::new(fd));
        (Converter::new(&report, &handle(answers), &handle(questions)), program)
    }

    #[test]
    fn a_converters_answers_are_taken_only_when_they_are_clear() {
        let (converter, program) = converter(|line| match line {
            "usr good" => b"777\n".to_vec(),
            "usr zero" => b"0\n".to_vec(),
            "usr last" => b"4294967294\n".to_vec(),
            "usr none" => b"4294967295\n".to_vec(),
            "usr big" => b"99999999999\n".to_vec(),
            "usr hex" => b"0x0\n".to_vec(),
            "usr minus" => b"-1\n".to_vec(),
            "usr plus" => b"+1\n".to_vec(),
            "usr blank" => b" 1\n".to_vec(),
            "usr long" => [vec![b'1'; 100_000], b"\n".to_vec()].concat(),
            "uid 5" => b"five\n".to_vec(),
            _ => b"\n".to_vec(),
        });
        let found: Vec<_> = [
            "good", "zero", "last", "none", "big", "hex", "minus", "plus", "blank", "long", "nobody",
        ]
        .iter()
        .map(|name| converter.user_id(name.as_bytes()))
        .collect();
        assert_eq!(found[..3], [Some(777), Some(0), Some(4_294_967_294)]);
        assert_eq!(found[3..], [None; 8]);
        assert_eq!(converter.user_name(5).as_deref(), Some(b"five".as_slice()));
        assert_eq!(converter.group_name(6), None);
        assert_eq!(converter.group_id(b"x\nusr good"), None);
        assert_eq!(converter.user_id(b"a\x7f"), None);
        assert!(!converter.report.is_cancelled());
        assert_eq!(converter.user_id(&[b'x'; 1019]), None);
        assert_eq!(converter.report.cancelled_with(), Some(4));
        drop(converter);
        let asked = program.join().unwrap();
        assert_eq!(asked.len(), 13);
        assert!(asked
            .iter()
            .all(|line| !line.contains('\x7f') && !line.starts_with('x')));
    }

    #[test]
    fn a_converter_that_has_ended_ends_the_transfer() {
        let (answers, reply) = rustix::pipe::pipe().unwrap();
        let (requests, questions) = rustix::pipe::pipe().unwrap();
        drop((reply, requests));
        let report = Report::new(Arc::new(Plan::default()), false);
        let handle = |fd| Handle(Arc::new(fd));
        let converter = Converter::new(&report, &handle(answers), &handle(questions));
        assert_eq!(converter.user_name(1), None);
        assert_eq!(report.cancelled_with(), Some(10));
    }
}
