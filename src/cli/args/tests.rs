//! The command line as its contract has it: names, arguments, flags, exit codes.

use std::ffi::OsString;
use std::time::Duration;

use super::*;
use crate::cli::ui::{Ui, Voice};
use crate::cli::when::When;
use crate::model::code::ErrorCode;
use crate::model::id::{Millis, TaskId};
use crate::model::vocabulary::{BlockKind, EvidenceKind, Priority, Status};
use crate::ops::failure::Failure;

/// Splits a line as a shell does, as far as the examples need it.
fn words(line: &str) -> Vec<OsString> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        let last = words.last_mut().expect("there is always a word");
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (' ', None) if !last.is_empty() => words.push(String::new()),
            (' ', None) => {}
            (c, _) => last.push(c),
        }
    }
    words.into_iter().map(OsString::from).collect()
}

fn read(line: &str) -> Result<Cli, ParseStop> {
    parse_with(words(line).into_iter(), |_| None)
}

fn good(line: &str) -> Cli {
    read(line).unwrap_or_else(|stop| panic!("{line}: {stop:?}"))
}

fn bad(line: &str) -> Failure {
    match read(line) {
        Err(ParseStop::Failure { failure, .. }) => *failure,
        other => panic!("{line}: {other:?}"),
    }
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("an id")
}

fn name(text: &str) -> AgentName {
    AgentName::new(text).expect("a name")
}

/// Every verb, second words included, with the path that leads to it.
fn leaves() -> Vec<(String, clap::Command)> {
    fn walk(path: &str, cmd: &clap::Command, out: &mut Vec<(String, clap::Command)>) {
        for verb in cmd.get_subcommands() {
            let path = format!("{path} {}", verb.get_name()).trim().to_owned();
            walk(&path, verb, out);
            out.push((path, verb.clone()));
        }
    }
    let mut out = Vec::new();
    let mut cmd = command();
    cmd.build();
    walk("", &cmd, &mut out);
    out
}

#[test]
fn the_description_is_consistent() {
    command().debug_assert();
}

/// One line for each row of the contract, with every argument and flag of the row.
const CONTRACT: &[&str] = &[
    "squad init --branch b --remote r --template mission-control --dry-run",
    "squad agents",
    "squad doctor",
    "squad backup --dry-run",
    "squad backup before-migration --dry-run",
    "squad backup list",
    "squad backup restore before-migration --dry-run",
    "squad sync --accept-rewind --yes",
    "squad agents add a --role executor --kind managed --domain both --email e@example.com --dry-run",
    "squad agents remove a --dry-run",
    "squad agents guide",
    "squad import f --vocab inbox --status wip=working --status a=b=review --as turing=scout --as x= --dry-run",
    "squad new t --id i --description d --priority low --assigned a --category dev --file x --file y --depends-on d1 \
     --depends-on d2 --participant p --participant q --tag u --tag v --due 2d --acceptance one --acceptance two --parent p \
     --effect send --effect browser --dry-run",
    "squad new --from tasks.json --dry-run",
    "squad new --from -",
    "squad show t --field status --at HEAD~1",
    "squad list --status blocked --status ready --assigned a --priority high --tag x --text q --limit 3 --all",
    "squad edit t --title n --description d --priority low --category both --tag x --untag y --due 2026-12-01 --position 1.5 \
     --dry-run",
    "squad assign t a --dry-run",
    "squad comment t text --also u --also v --dry-run",
    "squad comment t -",
    "squad progress t --step s --pct 100 --dry-run",
    "squad subtask add t title --assigned a --dry-run",
    "squad subtask set t sub complete --comment c --dry-run",
    "squad subtask assign t sub a --dry-run",
    "squad files add t a b --dry-run",
    "squad files remove t a b --dry-run",
    "squad dep add t on --dry-run",
    "squad dep remove t on --dry-run",
    "squad dep tree",
    "squad dep tree t",
    "squad beat --leave",
    "squad wait --timeout 5m --claim --plan p",
    "squad recover --dry-run",
    "squad heartbeat --budget 30s --limit 5 --dry-run",
    "squad wake a --reason r --dry-run",
    "squad run --once --timeout 5m",
    "squad run --until-idle",
    "squad scan --since-last --safe --fresh --limit 10",
    "squad next -v",
    "squad claim t --plan p --dry-run",
    "squad claim --next --plan p",
    "squad start t --dry-run",
    "squad release t --note n --unassign --dry-run",
    "squad fail t --error e --cause rate-limit --dry-run",
    "squad retry t --dry-run",
    "squad restart t --reason r --dry-run",
    "squad block t --kind human --reason r --need n --need m --question q --option o --option p --retry-after 15m --on t1 \
     --on t2 --path p --path q --holder h --dry-run",
    "squad unblock t --comment c --dry-run",
    "squad submit t --deliverable d --summary s --evidence commit:HEAD --evidence file:x --run true --run 'cargo test' \
     --open-ok r --dry-run",
    "squad complete t --deliverable d --summary s --evidence diff:a..b --evidence url:https://example.com --run true \
     --open-ok r --dry-run",
    "squad reject t --missing m --missing n --dry-run",
    "squad approve t --dry-run",
    "squad verify t --comment c --dry-run",
    "squad request-complete t --note n --dry-run",
    "squad override t --gate approval --reason r --dry-run",
    "squad archive t --dry-run",
    "squad archive --older-than 30d --dry-run",
    "squad restore t --dry-run",
    "squad cancel t --reason r --dry-run",
    "squad reopen t --reason r --dry-run",
    "squad sync",
    "squad status",
    "squad log t --agent a --all --failed -n 5 --follow",
    "squad activity --limit 5",
    "squad stats --since 7d",
    "squad diff --textconv f",
    "squad diff HEAD~1..HEAD",
    "squad diff",
    "squad merge-driver o a b p",
    "squad check",
    "squad check --staged",
    "squad check --at HEAD",
    "squad check squad/tasks/json",
    "squad review origin/main..HEAD",
    "squad review main --format sarif",
    "squad audit",
    "squad audit T --since HEAD~20",
    "squad lock check a b",
    "squad lock list",
    "squad schema",
    "squad schema task",
    "squad completions powershell",
    "squad man",
    "squad demo",
    "squad selftest",
    "squad schedule print --format launchd --only a --only b --run",
    "squad schedule install --format systemd --only a --run --dry-run",
    "squad schedule uninstall --format crontab --dry-run",
    "squad schedule status",
    "squad hook install --dry-run",
    "squad hook uninstall --dry-run",
    "squad hook status",
    "squad hook pre-commit",
];

#[test]
fn every_row_of_the_contract_is_understood() {
    let mut seen: Vec<&str> = CONTRACT.iter().map(|line| good(line).command.name()).collect();
    seen.sort_unstable();
    seen.dedup();
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    assert_eq!(seen, names);
}

#[test]
fn every_row_takes_the_global_flags_on_either_side_of_the_verb() {
    let flags = "--agent scout --epoch 7 --json -C dir --offline -q --no-color";
    for line in
        CONTRACT.iter().filter(|line| !line.contains("--agent") && !line.contains(" -v") && !line.contains("--fresh"))
    {
        let rest = line.strip_prefix("squad").expect("each line begins with the program");
        for full in [format!("squad{rest} {flags}"), format!("squad {flags}{rest}")] {
            let globals = good(&full).globals;
            assert_eq!(globals.agent, Some(name("scout")), "{full}");
            assert_eq!(globals.epoch, Some(Epoch(7)), "{full}");
            assert_eq!(globals.directory, Some(PathBuf::from("dir")), "{full}");
            assert!(globals.json && globals.offline && globals.quiet && globals.no_color, "{full}");
        }
        assert_eq!(good(&format!("{line} -vv")).globals.verbose, 2, "{line}");
    }
}

#[test]
fn values_arrive_as_their_own_types() {
    let Command::New(new) = good("squad new 'Fix it' --priority high --due 2026-12-01 --effect none --id MC-1").command
    else {
        panic!("not new");
    };
    assert_eq!(new.title.as_deref(), Some("Fix it"));
    assert_eq!(new.priority, Some(Priority::High));
    assert_eq!(new.due, Some(When::At(Millis(1_796_083_200_000))));
    assert_eq!(new.effects(), Some(Vec::new()));
    assert_eq!(new.id, Some(id("MC-1")));

    let Command::List(list) = good("squad list --status in-progress --status review").command else {
        panic!("not list")
    };
    assert_eq!(list.status, [Status::InProgress, Status::Review]);

    let Command::Block(block) = good("squad block t --kind external --retry-after 15m --holder h").command else {
        panic!("not block");
    };
    assert_eq!(block.kind, Some(BlockKind::External));
    assert_eq!(block.retry_after, Some(Duration::from_secs(900)));

    let Command::Complete(done) = good("squad complete t --evidence url:https://example.com").command else {
        panic!("not complete");
    };
    let evidence = EvidenceArg { kind: EvidenceKind::Url, value: "https://example.com".to_owned() };
    assert_eq!(done.hand_in.evidence, [evidence]);
}

#[test]
fn a_comment_may_be_a_list_and_still_be_followed_by_flags() {
    let cli = good("squad comment t '- one\n- two' --json --agent scout");
    assert!(cli.globals.json);
    let Command::Comment(comment) = cli.command else { panic!("not comment") };
    assert_eq!(comment.text, Text::Given("- one\n- two".to_owned()));
}

#[test]
fn what_the_state_machine_asks_for_is_not_the_parsers_to_refuse() {
    for verb in [
        "release", "fail", "restart", "block", "unblock", "submit", "complete", "reject", "cancel", "reopen",
        "restore", "override",
    ] {
        good(&format!("squad {verb} t"));
    }
}

#[test]
fn the_environment_says_who_acts_unless_the_command_line_does() {
    let env = |name: &str| match name {
        "SQUAD_AGENT" => Some(OsString::from("aria")),
        "SQUAD_EPOCH" => Some(OsString::from("3")),
        _ => None,
    };
    let with_env = |line: &str| parse_with(words(line).into_iter(), env).expect("a command");
    let Cli { globals, command } = with_env("squad log");
    assert_eq!((globals.agent, globals.epoch), (Some(name("aria")), Some(Epoch(3))));
    let Command::Log(log) = command else { panic!("not log") };
    assert_eq!(log.by, None, "the environment narrows no log");

    let Cli { globals, command } = with_env("squad log --agent scout --epoch 4");
    assert_eq!((globals.agent, globals.epoch), (Some(name("scout")), Some(Epoch(4))));
    let Command::Log(log) = command else { panic!("not log") };
    assert_eq!(log.by, Some(name("scout")));

    let empty = parse_with(words("squad status").into_iter(), |_| Some(OsString::new())).expect("a command");
    assert_eq!(empty.globals.agent, None);

    let broken = parse_with(words("squad status --json").into_iter(), |_| Some(OsString::from("no one")));
    let Err(ParseStop::Failure { failure, command: Some("status"), voice: Voice { json: true, .. } }) = broken else {
        panic!("{broken:?}");
    };
    assert_eq!(failure.code, ErrorCode::Invalid);
    assert!(failure.message.contains("SQUAD_AGENT"));
}

#[test]
fn a_bad_value_is_invalid_and_everything_else_is_usage() {
    for line in [
        "squad new t --priority urgent",
        "squad new t --priority ''",
        "squad new t --effect explode",
        "squad new t --due tomorrow",
        "squad new t --id ../x",
        "squad show ../x",
        "squad list --status done",
        "squad list --limit x",
        "squad progress t --pct 101",
        "squad edit t --position inf",
        "squad complete t --evidence photo:x",
        "squad block t --kind weather",
        "squad block t --kind external --retry-after 1h30m",
        "squad override t --gate luck",
        "squad subtask set t sub done",
        "squad fail t --cause bug",
        "squad agents add a --role king",
        "squad init --template big",
        "squad completions tcsh",
        "squad scan --agent 'two words'",
        "squad scan --epoch -1",
        "squad scan --epoch x",
    ] {
        assert_eq!(bad(line).code, ErrorCode::Invalid, "{line}");
    }
    for line in [
        "squad clam t",
        "squad show",
        "squad show t u",
        "squad show t --colour",
        "squad claim",
        "squad claim t --next",
        "squad new",
        "squad new t --from tasks.json",
        "squad new --from tasks.json --tag x",
        "squad archive",
        "squad archive t --older-than 1d",
        "squad subtask",
        "squad files add t",
        "squad agents add a",
        "squad new t --priority",
        "squad new t --id a --id b",
        "squad check --staged --at HEAD",
        "squad scan --fresh --offline",
        "squad status -q -v",
        "squad claim t --queue",
        "squad --json",
    ] {
        assert_eq!(bad(line).code, ErrorCode::Usage, "{line}");
    }
}

#[test]
fn a_misunderstanding_says_what_and_what_next() {
    let told: Vec<String> = [
        "squad clam t",
        "squad subtask ad t",
        "squad subtask",
        "squad show",
        "squad show t --feild status",
        "squad show t u",
        "squad new t --priority urgent",
        "squad new t --priority",
        "squad claim t --next",
        "squad new t --id a --id b",
        "squad complete t --summary '- done'",
    ]
    .iter()
    .map(|line| {
        let Failure { message, why, hint, .. } = bad(line);
        let rest: String = [why, hint].into_iter().flatten().map(|part| format!("\n    {part}")).collect();
        format!("{line}\n  {message}{rest}")
    })
    .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    squad clam t
      `squad` has no verb "clam"
        did you mean `squad claim`?
    squad subtask ad t
      `squad subtask` has no verb "ad"
        did you mean `squad subtask add`?
    squad subtask
      `squad subtask` needs one of: add, set, assign
        `squad subtask --help` shows what it takes
    squad show
      `squad show` needs <TASK>
        `squad show --help` shows what it takes
    squad show t --feild status
      `squad show` has no flag "--feild"
        did you mean `squad show --field`?
    squad show t u
      `squad show` takes no further argument "u"
        `squad show --help` shows what it takes
    squad new t --priority urgent
      --priority cannot be "urgent"
        "urgent" is not a priority; one of: critical, high, medium, low
        `squad new --help` shows what it takes
    squad new t --priority
      --priority <PRIORITY> needs a value
        a value that begins with a dash is written --flag=VALUE
    squad claim t --next
      [TASK] cannot be given together with --next
        `squad claim --help` shows what it takes
    squad new t --id a --id b
      --id <ID> is given twice
        `squad new --help` shows what it takes
    squad complete t --summary '- done'
      `squad complete` has no flag "- "
        a value that begins with a dash is written --flag=VALUE
    "#);
}

#[test]
fn a_misunderstanding_names_its_verb_and_speaks_json_when_asked() {
    for (line, verb, json) in [
        ("squad show t --feild x --json", Some("show"), true),
        ("squad --json --agent claim subtask set t", Some("subtask set"), true),
        ("squad clam --json", None, true),
        ("squad show -- --json x", Some("show"), false),
    ] {
        let stop = read(line);
        let Err(ParseStop::Failure { command, voice, .. }) = &stop else { panic!("{line}: {stop:?}") };
        assert_eq!((*command, voice.json), (verb, json), "{line}");
    }
}

#[test]
fn a_global_flag_on_both_sides_of_the_verb_is_no_contradiction() {
    let globals =
        good("squad --json --agent aria -v agents --json --agent scout -v add a --role executor --json").globals;
    assert!(globals.json);
    assert_eq!(globals.agent, Some(name("scout")), "the one nearer to the verb counts");
}

#[test]
fn what_stops_the_parser_is_told_with_its_exit_code() {
    for (line, exit, stdout) in [
        ("squad --version", 0, format!("squad {}\n", env!("CARGO_PKG_VERSION"))),
        ("squad clam", 2, String::new()),
        ("squad new t --priority urgent", 4, String::new()),
        (
            "squad show --json",
            2,
            "{\"v\":1,\"ok\":false,\"command\":\"show\",\"error\":{\"code\":\"usage\",\"message\":\"`squad show` needs \
             <TASK>\",\"why\":null,\"hint\":\"`squad show --help` shows what it takes\",\"retryable\":false}}\n"
                .to_owned(),
        ),
    ] {
        let stop = read(line).expect_err("nothing to run");
        let (mut ui, page) = Ui::on_page(stop.voice());
        assert_eq!(stop.tell(&mut ui), exit, "{line}");
        assert_eq!(page.finish(ui).0, stdout, "{line}");
    }
}

#[test]
fn a_hook_that_this_build_does_not_know_never_ends_with_2() {
    for line in [
        "squad hook claude",
        "squad --agent scout -C . hook pre-commit --new-flag",
        "squad --json hook",
        "squad hook pre-commit --epoch x",
    ] {
        let stop = read(line).expect_err("no such verb");
        let (mut ui, _page) = Ui::on_page(stop.voice());
        assert_eq!(stop.tell(&mut ui), 1, "{line}");
    }
    assert_eq!(bad("squad --agent hook clam").code, ErrorCode::Usage, "an agent of that name is no hook");
}

#[test]
fn squad_alone_shows_the_common_verbs() {
    let Err(ParseStop::Text { text, .. }) = read("squad") else { panic!("no text") };
    insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
    Keep the tasks of a team of agents as files in git

    Common verbs:
      new               Make a task
      scan              Look what there is to do
      claim             Take a task
      block             Say that a task cannot go on
      complete          Hand in as done, with proof

    `squad --help` lists every verb, `squad VERB --help` shows its flags
    ");
}

#[test]
fn help_lists_every_verb_once_by_group_after_the_common_ones() {
    let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
    let cmd = command();
    let mut known: Vec<&str> = cmd.get_subcommands().map(clap::Command::get_name).collect();
    grouped.sort_unstable();
    known.sort_unstable();
    assert_eq!(grouped, known);
    assert!(COMMON.iter().all(|verb| known.contains(verb)));

    let help = command().term_width(100).try_get_matches_from(["squad", "--help"]).expect_err("help");
    insta::assert_snapshot!(help, @r"
    Keep the tasks of a team of agents as files in git

    Usage: squad [OPTIONS] [VERB]

    Common:
      new               Make a task
      scan              Look what there is to do
      claim             Take a task
      block             Say that a task cannot go on
      complete          Hand in as done, with proof

    Board:
      init              Make a board in this repository, or join the one it has
      new               Make a task
      import            Take over the tasks of another board, each where it stands there
      show              Show a task
      list              List tasks
      edit              Change fields of a task
      assign            Give a task to somebody
      comment           Say something about a task
      progress          Say how far the work has come
      subtask           Add, move or give away the parts of a task
      files             Name the paths that a task touches
      dep               Say which task waits for which
      archive           Put completed tasks away
      restore           Bring an archived task back
      cancel            Give a task up
      reopen            Take a completion back

    Work:
      scan              Look what there is to do
      next              Show the best task that this agent may claim
      claim             Take a task
      start             Begin the work on a claimed task
      block             Say that a task cannot go on
      unblock           Say that a task can go on
      submit            Hand in for review
      reject            Send a task back to work, or refuse a request for a verdict
      approve           Approve a task in review
      complete          Hand in as done, with proof
      verify            Confirm that a task is done
      fail              Say that a run failed
      retry             Try again after something outside was in the way
      restart           Start over after too many failures
      release           Give a task back
      request-complete  Say that a task is done and ask for a verdict
      override          Lift a gate for the next step of a task

    Truth:
      sync              Fetch the board and settle what is still open
      status            Show where the board stands
      log               Show receipts: who did what, in which commit
      activity          Show what happened last, on all tasks
      stats             Count: throughput, times, successes
      diff              Show what happened to each task between two commits, or in what is staged
      check             Check files against the schema and the rules of the board
      review            Judge what a branch changes on the board
      audit             Decide the history of the board again, commit by commit
      backup            Give the board as it is a name to come back to
      doctor            Look at everything that squad leans on
      schema            Print the schema of a file or an answer

    Team:
      agents            List or change the roster
      lock              Tell who holds which paths

    Life:
      run               Have a command do one task after the other
      wait              Wait until there is a task that this agent may take
      beat              Give a sign of life, or say goodbye
      recover           Take back what somebody holds who is gone
      heartbeat         Do one tick of the control loop
      wake              Ask that an agent be started, once however many ask
      schedule          Wake the agents of the roster by cron, systemd or launchd

    More:
      hook              Make git ask squad before each commit
      merge-driver      Merge two versions of a task file, for git
      completions       Print completions for a shell
      man               Print the manual page, or write one for each verb
      demo              Play a small board through in a temporary folder
      selftest          Play a small board through with your own git and its settings

    `squad VERB --help` shows the flags of a verb

    Options:
          --agent <NAME>  Act as this member of the roster [env: SQUAD_AGENT]
          --epoch <N>     Act under the claim with this fencing number [env: SQUAD_EPOCH]
          --json          Answer with one JSON object
      -C <DIR>            Run as if started in this folder
          --offline       Do not reach for the remote
          --strict        Write nothing while anything on the board is damaged
          --yes           Agree to a push beforehand, where `git config squad.push` is ask
      -q, --quiet         Print data and failures only
      -v, --verbose...    Say more; twice for still more
          --no-color      Print without colour [env: NO_COLOR]
      -h, --help          Print help
      -V, --version       Print version
    ");
}

#[test]
fn every_verb_has_a_line_of_help_and_an_example_that_works() {
    for (path, verb) in leaves() {
        let about = verb.get_about().unwrap_or_else(|| panic!("{path} says nothing")).to_string();
        assert!(
            about.starts_with(char::is_uppercase) && !about.ends_with('.') && !about.contains('\n'),
            "{path}: {about}"
        );
        let after = verb.get_after_help().unwrap_or_else(|| panic!("{path} has no example")).to_string();
        let examples: Vec<_> = after.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert!(!examples.is_empty(), "{path} has no example");
        for example in examples {
            let line = example.split(" >").next().expect("a line has a beginning");
            assert!(line.starts_with(&format!("squad {path}")), "{path}: {line}");
            good(line);
        }
    }
}

#[test]
fn every_argument_has_help_without_a_period() {
    for (path, verb) in leaves() {
        for arg in verb.get_arguments() {
            let help = arg.get_help().unwrap_or_else(|| panic!("{path} {arg} says nothing")).to_string();
            assert!(!help.is_empty() && !help.ends_with('.'), "{path} {arg}: {help}");
        }
    }
}

#[test]
fn the_help_of_a_verb_shows_its_words_and_its_example() {
    // The width is fixed, since that of the terminal would break the lines elsewhere.
    let help = command().term_width(100).try_get_matches_from(["squad", "fail", "--help"]).expect_err("help");
    insta::assert_snapshot!(help, @r#"
    Say that a run failed

    Usage: squad fail [OPTIONS] <TASK>

    Arguments:
      <TASK>  Task whose run failed

    Options:
          --error <E>      The error's own words
          --cause <CAUSE>  Which sort of error; unknown unless given [possible values: timeout,
                           missing-file, network, memory, permission, rate-limit, unknown]
          --dry-run        Show what would change, and change nothing
      -h, --help           Print help

    Global options:
          --agent <NAME>  Act as this member of the roster [env: SQUAD_AGENT]
          --epoch <N>     Act under the claim with this fencing number [env: SQUAD_EPOCH]
          --json          Answer with one JSON object
      -C <DIR>            Run as if started in this folder
          --offline       Do not reach for the remote
          --strict        Write nothing while anything on the board is damaged
          --yes           Agree to a push beforehand, where `git config squad.push` is ask
      -q, --quiet         Print data and failures only
      -v, --verbose...    Say more; twice for still more
          --no-color      Print without colour [env: NO_COLOR]

    Example:
      squad fail mc-042 --error "no answer in 30 s" --cause timeout
    "#);
}

#[test]
fn help_that_was_asked_for_by_name_is_text_even_under_json() {
    for line in ["squad fail --help --json", "squad --json -h", "squad subtask --help --json"] {
        let Err(ParseStop::Text { text, voice }) = read(line) else { panic!("{line}: no text") };
        assert!(!voice.json && text.contains("Usage:"), "{line}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let Err(ParseStop::Text { text, .. }) = read("squad --version") else { panic!("no text") };
    assert_eq!(text, format!("squad {}\n", env!("CARGO_PKG_VERSION")));
}
