//! Tests of the queue with blocked and broken streams.

use std::sync::mpsc;

use super::*;

/// The text that both streams wrote.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Like a pipe, it may write less than was offered.
        let some = &bytes[..bytes.len().min(1000)];
        self.0
            .lock()
            .unwrap()
            .push_str(std::str::from_utf8(some).unwrap());
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Blocks every write until the channel is closed or gets a message.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses every other write, like a non-blocking pipe that is full until its reader reads.
struct Full(Log, bool);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn both_streams_are_written_in_order() {
    let log = Log::default();
    let writer = ConsoleWriter::new(log.clone(), log.clone()).unwrap();
    let mut expected = String::new();
    for number in 0..20_000 {
        let line = format!("{number} {}\n", "x".repeat(number % 200));
        expected.push_str(&line);
        writer.print(&line, number % 3 == 0, || false);
    }
    writer.say("the end\n");
    writer.finish(None).unwrap();
    assert_eq!(*log.0.lock().unwrap(), expected + "the end\n");
    assert_eq!(writer.failures(), [None, None]);
}

#[test]
fn a_stopped_writer_does_not_wait_for_the_queue() {
    let (go_on, stuck) = mpsc::channel();
    let writer = ConsoleWriter::new(Stuck(stuck), Log::default()).unwrap();
    let line = "x".repeat(QUEUE);
    // A text of any size fits into an empty queue.
    writer.print(&line.repeat(2), false, || false);
    let looks = std::cell::Cell::new(0);
    writer.print(&line, false, || {
        looks.set(looks.get() + 1);
        looks.get() == 3
    });
    assert_eq!(looks.get(), 3);
    let unwritten = writer.finish(Some(Instant::now())).unwrap_err();
    assert_eq!(unwritten.bytes, 2 * QUEUE);
    drop(go_on);
    writer.finish(None).unwrap();
}

#[test]
fn lines_of_the_host_never_wait() {
    let (_go_on, stuck) = mpsc::channel();
    let writer = ConsoleWriter::new(Stuck(stuck), Log::default()).unwrap();
    for _ in 0..10_000 {
        writer.say(&"x".repeat(1000));
        writer.print("x", false, || true);
    }
    let Unwritten { bytes } = writer.finish(Some(Instant::now())).unwrap_err();
    assert!(bytes <= QUEUE + OWN, "{bytes}");
}

#[test]
fn one_stream_is_written_while_the_other_is_stuck() {
    let (_go_on, stuck) = mpsc::channel();
    let errors = Log::default();
    let writer = ConsoleWriter::new(Stuck(stuck), errors.clone()).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        writer.print("output\n", false, || false);
        writer.print(line, true, || false);
    }
    writer.finish(Some(Instant::now() + APART / 2)).unwrap_err();
    assert_eq!(*errors.0.lock().unwrap(), "one\ntwo\nthree\n");
}

/// Another thread sets the end after the waiting has begun.
#[test]
fn waiting_for_the_end_can_be_shortened() {
    let (_go_on, stuck) = mpsc::channel();
    let writer = ConsoleWriter::new(Stuck(stuck), Log::default()).unwrap();
    writer.print("output\n", false, || false);
    let waiting = thread::spawn({
        let writer = writer.clone();
        move || writer.finish(None)
    });
    thread::sleep(Duration::from_millis(20));
    assert!(!waiting.is_finished());
    writer.end_by(Instant::now());
    assert_eq!(waiting.join().unwrap(), Err(Unwritten { bytes: 7 }));
}

#[test]
fn a_failed_stream_blocks_no_writer() {
    for (kind, failure) in [
        (io::ErrorKind::StorageFull, Some(io::ErrorKind::StorageFull)),
        (io::ErrorKind::BrokenPipe, None),
    ] {
        let errors = Log::default();
        let writer = ConsoleWriter::new(Broken(kind), errors.clone()).unwrap();
        for _ in 0..10 {
            writer.print(&"x".repeat(QUEUE), false, || false);
            writer.print("error\n", true, || false);
        }
        writer.finish(None).unwrap();
        assert_eq!(writer.failures(), [failure, None]);
        assert_eq!(*errors.0.lock().unwrap(), "error\n".repeat(10));
    }
}

/// Another process that shares the standard output may have made it non-blocking.
#[test]
fn a_full_pipe_that_does_not_block_loses_no_output() {
    let log = Log::default();
    let writer = ConsoleWriter::new(Full(log.clone(), false), io::sink()).unwrap();
    let text = "x".repeat(5_500);
    writer.print(&text, false, || false);
    writer.finish(None).unwrap();
    assert_eq!(writer.failures(), [None, None]);
    assert_eq!(*log.0.lock().unwrap(), text);
}
