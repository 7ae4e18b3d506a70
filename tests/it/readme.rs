//! The tour of the README is played through, and what it shows is what happens.

use crate::kit::{Room, settled, words};

/// One command of the tour and the lines that the README shows after it.
struct Step {
    line: String,
    exit: i32,
    shown: Vec<String>,
}

/// Returns the commands of each `console` block.
fn blocks(readme: &str) -> Vec<Vec<Step>> {
    let parts = readme.split("```console\n").skip(1).map(|part| part.split_once("```").expect("a block ends").0);
    parts
        .map(|block| {
            let mut steps: Vec<Step> = Vec::new();
            for line in block.lines() {
                match line.strip_prefix("$ ") {
                    Some(command) => {
                        let (command, exit) = command.split_once("# exit ").unwrap_or((command, "0"));
                        let exit = exit.trim().parse().expect("an exit code");
                        steps.push(Step { line: command.trim().to_owned(), exit, shown: Vec::new() });
                    }
                    None => steps.last_mut().expect("a command comes first").shown.push(line.to_owned()),
                }
            }
            steps
        })
        .collect()
}

#[test]
fn the_tour_of_the_readme_is_what_happens() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks = blocks(&readme);
    assert!(blocks.len() >= 3, "the tour has {} blocks", blocks.len());
    let room = Room::code();
    let clone = room.clone_as("ada");
    let mut env: Vec<(String, String)> = Vec::new();
    for (i, steps) in blocks.iter().enumerate() {
        if i + 1 == blocks.len() {
            // "The agent writes `src/login.rs` and commits it."
            clone.write("src/login.rs", "fn login() {}\n");
            clone.git("add src/login.rs");
            clone.git("commit --quiet -m 'Renew in time'");
        }
        for Step { line, exit, shown } in steps {
            if let Some((name, value)) = line.strip_prefix("export ").and_then(|set| set.split_once('=')) {
                env.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let args = words(line.strip_prefix("squad ").unwrap_or_else(|| panic!("{line:?} is no verb of squad")));
            let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let ran = clone.squad_with(&args, b"", &env).exits(*exit);
            let told = settled(&format!("{}{}", ran.stderr, ran.stdout));
            let mut rest = told.lines();
            for line in shown {
                let wanted = settled(line);
                assert!(rest.any(|line| line.trim_end() == wanted.trim_end()), "no line {wanted:?} in order: {ran}");
            }
        }
    }
}
