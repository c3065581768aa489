//! A host whose console output is not read.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use secure_runtime::{ConsoleWriter, Exit, Limits, OpenOptions, Program, Runtime};

use crate::support::Scene;

/// A writer that blocks forever, and records the first attempt to write.
struct Stuck(mpsc::Receiver<()>, Arc<AtomicBool>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.store(true, Ordering::SeqCst);
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// RUN-90. A limit or the host can end a program that waits for space in the console queue.
#[test]
fn limits_end_a_program_with_a_blocked_console() {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let scene = Scene::of_main(&[], "for (;;) console.log('x'.repeat(1000));");
    // Long enough for the program to start.
    for wall in [Some(Duration::from_secs(5)), None] {
        let (_never, stuck) = mpsc::channel();
        let has_begun = Arc::new(AtomicBool::new(false));
        let console = ConsoleWriter::new(Stuck(stuck, has_begun.clone()), io::sink()).unwrap();
        let exit = reactor.block_on(async {
            let program = Program::open(scene.base(), &OpenOptions::default())
                .await
                .unwrap();
            let runtime = Runtime::builder()
                .base(program.base())
                .shared_store(program.store())
                .limits(Limits {
                    wall,
                    ..Limits::default()
                })
                .console_writer(&console)
                .build()
                .unwrap();
            let stop = runtime.stop_handle();
            let running = runtime.run(program.graph(), &[]);
            let mut running = std::pin::pin!(running);
            let outcome = loop {
                tokio::select! {
                    outcome = &mut running => break outcome.unwrap(),
                    () = tokio::time::sleep(Duration::from_millis(300)), if wall.is_none() => {
                        if has_begun.load(Ordering::SeqCst) {
                            stop.stop();
                        }
                    }
                }
            };
            outcome.exit
        });
        match wall {
            Some(_) => assert!(matches!(exit, Exit::Limit(_)), "{exit:?}"),
            None => assert!(matches!(exit, Exit::Stopped), "{exit:?}"),
        }
        if has_begun.load(Ordering::SeqCst) {
            assert!(console.finish(Some(Instant::now())).is_err());
        }
    }
}
