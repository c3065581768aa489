//! Runs the same inputs on every machine. In seconds, it checks that targets and seeds still work.

use crate::{Figures, Named, finding, mutation::Random, read_seeds, run_one};

pub(crate) fn run(targets: &[Named], mutations: u32) -> Result<(), String> {
    for (name, target) in targets {
        let seeds = read_seeds(name)?;
        let mut random = Random::new(0);
        let mut figures = Figures::default();
        for (number, seed) in seeds.iter().enumerate() {
            for round in 0..=mutations {
                let input = match round {
                    0 => seed.clone(),
                    _ => random.mutate(seed, &seeds),
                };
                let Some(outcome) = run_one(*target, &input) else {
                    let what = format!("fails on mutation {round} of seed {number}");
                    return Err(finding(name, &what, &input));
                };
                figures.add(outcome);
            }
        }
        println!(
            "{name}: {} inputs from {} seeds{}",
            figures.inputs,
            seeds.len(),
            figures.decisions()
        );
    }
    Ok(())
}
