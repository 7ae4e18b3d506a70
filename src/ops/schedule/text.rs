//! How a wake is written for cron, systemd and launchd: one command line of the shell, escaped for what it stands in.
//!
//! Pure. Control characters are refused before anything comes here: no format has a safe spelling for all of them.
//!
//! Sources: crontab(5); systemd.syntax(7), systemd.service(5) `COMMAND LINES`, systemd.time(7); launchd.plist(5).

use std::fmt::Write as _;

use crate::model::schedule::Wake;

/// What a wake runs, as texts without control characters.
#[derive(Debug, Clone)]
pub(super) struct Command<'a> {
    /// This program.
    pub program: &'a str,
    /// The folder of the clone.
    pub dir: &'a str,
    /// The folder of the logs.
    pub log: &'a str,
    /// The folder of a git that a timer's own `PATH` does not find.
    pub git: Option<&'a str>,
    /// Whether to start a run, and not to look only.
    pub run: bool,
}

/// Returns the command line of a wake, for `sh`.
pub(super) fn shell_line(command: &Command<'_>, agent: &str) -> String {
    let path = match command.git {
        Some(folder) => format!("PATH={}:\"$PATH\" ", quoted(folder)),
        None => String::new(),
    };
    let verb = if command.run { "run --once" } else { "heartbeat" };
    let log = format!("{}/{agent}.log", command.log);
    format!(
        "cd {} && mkdir -p {} && {path}{} {verb} --agent {} >>{} 2>&1",
        quoted(command.dir),
        quoted(command.log),
        quoted(command.program),
        quoted(agent),
        quoted(&log),
    )
}

/// Returns a text as one word of the shell.
pub(in crate::ops) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+:@,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns a wake as a line of a crontab.
pub(super) fn cron_line(wake: &Wake, shell: &str) -> String {
    let hours = if wake.hours.is_empty() { "*".to_owned() } else { list(&wake.hours, ",") };
    // A bare % ends the command. cron takes the backslash before it away, and would read one of ours together with a
    // backslash of the path: those stand in quotes, so the quotes are closed and opened between the two.
    let command = shell.replace("\\%", "\\''%").replace('%', "\\%");
    format!("{} {hours} * * * {command}", list(&wake.minutes, ","))
}

fn list(numbers: &[u8], between: &str) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// Returns the service of a wake, for systemd.
pub(super) fn systemd_service(id: &str, agent: &str, shell: &str) -> String {
    let mut command = String::new();
    for c in shell.chars() {
        match c {
            '\\' | '"' => command.extend(['\\', c]),
            '%' | '$' => command.extend([c, c]),
            _ => command.push(c),
        }
    }
    format!(
        "# squad: {id}, written by `squad schedule install`\n[Unit]\nDescription=squad wakes {agent}\n\n[Service]\n\
         Type=oneshot\nExecStart=/bin/sh -c \"{command}\"\n"
    )
}

/// Returns the timer of a wake, for systemd. The accuracy keeps neighbours apart; a wake that was slept through is made
/// up for.
pub(super) fn systemd_timer(id: &str, wake: &Wake) -> String {
    let two = |numbers: &[u8]| numbers.iter().map(|n| format!("{n:02}")).collect::<Vec<_>>().join(",");
    let hours = if wake.hours.is_empty() { "*".to_owned() } else { two(&wake.hours) };
    format!(
        "# squad: {id}, written by `squad schedule install`\n[Unit]\nDescription=squad wakes {}\n\n[Timer]\n\
         OnCalendar=*-*-* {hours}:{}:00\nAccuracySec=1s\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
        wake.agent,
        two(&wake.minutes)
    )
}

/// Returns the agent of a wake, for launchd.
pub(super) fn launchd_plist(label: &str, wake: &Wake, shell: &str) -> String {
    let mut times = String::new();
    let hours: Vec<Option<u8>> =
        if wake.hours.is_empty() { vec![None] } else { wake.hours.iter().copied().map(Some).collect() };
    for hour in hours {
        for minute in &wake.minutes {
            let hour = hour.map(|hour| format!("<key>Hour</key><integer>{hour}</integer>")).unwrap_or_default();
            let minute = format!("<key>Minute</key><integer>{minute}</integer>");
            writeln!(times, "    <dict>{hour}{minute}</dict>").expect("a string takes it");
        }
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<!-- written by `squad schedule install` -->\n\
         <plist version=\"1.0\">\n<dict>\n  <key>Label</key>\n  <string>{}</string>\n  <key>ProgramArguments</key>\n  \
         <array>\n    <string>/bin/sh</string>\n    <string>-c</string>\n    <string>{}</string>\n  </array>\n  \
         <key>StartCalendarInterval</key>\n  <array>\n{times}  </array>\n</dict>\n</plist>\n",
        xml(label),
        xml(shell)
    )
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::model::id::AgentName;
    use crate::runner::command::{Call, run_together};

    /// Names of folders that try to be more than that.
    const HOSTILE: &[&str] = &[
        "plain",
        "two words",
        "100%",
        "back\\slash",
        "back\\%both",
        "back\\\\%two",
        "quo'te",
        "dou\"ble",
        "$(touch evil)",
        "`touch evil`",
        "; touch evil; #",
        "$HOME",
        "&& touch evil",
        "</string><string>touch evil",
        "%n%h$$",
        "end\\",
        "ünï",
    ];

    fn wake(agent: &str) -> Wake {
        Wake { agent: AgentName::as_found(agent), minutes: vec![2, 17, 32, 47], hours: Vec::new() }
    }

    /// What cron hands to the shell, as its source has it: a backslash hides the next character, and only before a
    /// percent sign is it taken away; a bare percent sign ends the command.
    fn as_cron_reads(line: &str) -> String {
        let command = line.splitn(6, ' ').nth(5).expect("five fields and a command");
        let (mut out, mut hidden) = (String::new(), false);
        for c in command.chars() {
            if hidden {
                if c == '%' {
                    out.pop();
                }
                hidden = false;
            } else if c == '\\' {
                hidden = true;
            } else if c == '%' {
                break;
            }
            out.push(c);
        }
        out
    }

    /// What systemd hands to the shell: the word in double quotes with its escapes undone.
    fn as_systemd_reads(unit: &str) -> String {
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c \"")).expect("a command");
        let (mut out, mut chars) = (String::new(), line.chars());
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    assert_eq!(chars.next(), None, "the quotes end with the line");
                    return out;
                }
                '\\' => out.push(chars.next().filter(|c| matches!(c, '\\' | '"')).expect("a known escape")),
                '%' | '$' => {
                    assert_eq!(chars.next(), Some(c), "no specifier and no variable");
                    out.push(c);
                }
                _ => out.push(c),
            }
        }
        panic!("no end of the quotes: {line}");
    }

    fn as_launchd_reads(plist: &str) -> String {
        let strings: Vec<&str> = plist.lines().filter_map(|line| line.trim().strip_prefix("<string>")).collect();
        let command = strings.last().and_then(|line| line.strip_suffix("</string>")).expect("one line");
        assert_eq!((strings.len(), command.contains('<')), (4, false));
        command.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    #[test]
    fn whatever_a_path_or_a_name_is_called_the_command_is_the_same_and_nothing_else_runs() {
        for hostile in HOSTILE {
            let root = tempfile::tempdir().expect("a folder");
            let (dir, log) = (root.path().join(hostile), root.path().join("log of").join(hostile));
            std::fs::create_dir_all(&dir).expect("a folder");
            let program = dir.join("squad");
            let script = "#!/bin/sh\npwd\nprintf '%s|' \"$@\"\n";
            crate::board::store::write_with_mode(
                &program,
                script.as_bytes(),
                Some(std::os::unix::fs::PermissionsExt::from_mode(0o755)),
            )
            .expect("a program");
            // A name may hold no slash, and the log is named after it.
            let agent = hostile.replace('/', "");
            let text = |path: &Path| path.to_str().expect("it is text").to_owned();
            let (program, dir, log) = (text(&program), text(&dir), text(&log));
            let git = Some(dir.as_str());
            let command = Command { program: &program, dir: &dir, log: &log, git, run: false };
            let shell = shell_line(&command, &agent);
            let plist = launchd_plist("dev.squad.x", &wake(&agent), &shell);
            let read = [
                as_cron_reads(&cron_line(&wake(&agent), &shell)),
                as_systemd_reads(&systemd_service("x", "a", &shell)),
                as_launchd_reads(&plist),
            ];
            for (read, rounds) in read.iter().zip(1..) {
                let call = Call {
                    program: "/bin/sh".into(),
                    args: vec!["-c".to_owned(), read.clone()],
                    dir: root.path().to_owned(),
                    env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), root.path().into())],
                    stdin: Vec::new(),
                };
                let ran = run_together(&[call], Duration::from_secs(60)).expect("a shell").remove(0);
                assert_eq!(
                    (ran.code, ran.stdout.as_slice(), ran.stderr.as_slice()),
                    (Some(0), &b""[..], &b""[..]),
                    "{read}"
                );
                let said = std::fs::read_to_string(format!("{log}/{agent}.log")).expect("a log");
                assert_eq!(said, format!("{dir}\nheartbeat|--agent|{agent}|").repeat(rounds), "{read}");
            }
            let evil = walkdir::WalkDir::new(root.path()).into_iter().flatten().any(|e| e.file_name() == "evil");
            assert!(!evil, "{hostile}");
        }
    }

    #[test]
    fn a_wake_of_once_in_some_hours_is_that_in_every_format() {
        let wake = Wake { agent: AgentName::as_found("scout"), minutes: vec![4], hours: vec![0, 12] };
        assert_eq!(cron_line(&wake, "true"), "4 0,12 * * * true");
        assert!(systemd_timer("x", &wake).contains("\nOnCalendar=*-*-* 00,12:04:00\n"));
        let plist = launchd_plist("l", &wake, "true");
        assert!(
            plist.contains("<dict><key>Hour</key><integer>12</integer><key>Minute</key><integer>4</integer></dict>")
        );
    }
}
