//! Runs new inputs for some seconds. Each target has its own thread, and as many run at once as there are
//! cores.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use crate::{Figures, Named, finding, mutation::Random, read_seeds, run_one};

/// Maximum time for one input; a slower one is a finding. Targets normally take milliseconds.
const MAX_TIME: Duration = Duration::from_secs(20);
/// The library's parsers recurse. Unoptimised, they need more than the default stack of 2 MiB.
const STACK: usize = 16 << 20;
/// Maximum number of inputs that are kept for mutation.
const MAX_CORPUS: usize = 4096;

/// The input that a target is running, for the thread that enforces [`MAX_TIME`].
type Current = Mutex<Option<(Instant, Vec<u8>)>>;

pub(crate) fn run(targets: &[Named], seconds: u64, random_seed: Option<u64>) -> Result<(), String> {
    let random_seed = random_seed.unwrap_or_else(seed_of_the_clock);
    println!("random seed {random_seed}");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for together in targets.chunks(cores) {
        run_together(together, Duration::from_secs(seconds), random_seed)
            .map_err(|message| format!("{message}\nrandom seed {random_seed}"))?;
    }
    Ok(())
}

fn seed_of_the_clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

fn run_together(targets: &[Named], time: Duration, random_seed: u64) -> Result<(), String> {
    let current: Vec<Current> = targets.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for ((name, target), current) in targets.iter().zip(&current) {
            // The thread's name is shown in a panic's message.
            let thread = thread::Builder::new().name((*name).to_owned()).stack_size(STACK);
            let work = move || run_target((name, *target), time, random_seed, current);
            threads.push(
                thread
                    .spawn_scoped(scope, work)
                    .map_err(|error| error.to_string())?,
            );
        }
        while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(100));
            for ((name, _), current) in targets.iter().zip(&current) {
                if let Some((started, input)) = &*lock(current)
                    && started.elapsed() > MAX_TIME
                {
                    // A thread cannot be stopped, so the process exits.
                    eprintln!("{}", finding(name, "takes too long", input));
                    eprintln!("random seed {random_seed}");
                    std::process::exit(1);
                }
            }
        }
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("the runner itself failed".to_owned()))
        })
    })
}

fn run_target(
    (name, target): Named,
    time: Duration,
    random_seed: u64,
    current: &Current,
) -> Result<(), String> {
    let started = Instant::now();
    // The random numbers of a target do not depend on the other targets.
    let mut random = Random::new(name.bytes().fold(random_seed, |seed, byte| {
        seed.rotate_left(8).wrapping_mul(31) ^ u64::from(byte)
    }));
    let mut corpus = read_seeds(name)?;
    let seeds = corpus.len();
    let (mut figures, mut classes) = (Figures::default(), HashSet::new());
    while started.elapsed() < time {
        let input = match corpus
            .get(figures.inputs as usize)
            .filter(|_| figures.inputs < seeds as u64)
        {
            Some(seed) => seed.clone(),
            None => {
                let chosen = random.below(corpus.len());
                random.mutate(&corpus[chosen], &corpus)
            }
        };
        *lock(current) = Some((Instant::now(), input.clone()));
        let outcome = run_one(target, &input);
        *lock(current) = None;
        let Some(outcome) = outcome else {
            return Err(finding(name, "fails", &input));
        };
        figures.add(outcome);
        if classes.insert(outcome.class) && figures.inputs > seeds as u64 && corpus.len() < MAX_CORPUS {
            corpus.push(input);
        }
    }
    println!(
        "{name}: {} inputs in {} s, {} kept for {} classes{}",
        figures.inputs,
        started.elapsed().as_secs(),
        corpus.len(),
        classes.len(),
        figures.decisions()
    );
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
