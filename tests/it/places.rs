//! Where squad is run from: every shape of repository, and what it must leave alone there.

use serde_json::json;

use crate::kit::{Checkout, Room, hand_task};

fn one_task() -> Room {
    Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({}))])
}

/// Claims `t-1` from a place and asserts that it landed and that the user's repository shows nothing of it.
#[track_caller]
fn claim_leaves_alone(room: &Room, place: &Checkout) {
    let (status, staged, stash) = (place.status(), place.git("diff --cached"), place.git("stash list"));
    place.ok("claim t-1 --agent scout");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
    assert_eq!(place.status(), status, "git status says the same as before");
    assert_eq!(place.git("diff --cached"), staged, "and so does the index");
    assert_eq!(place.git("stash list"), stash);
}

#[test]
fn a_clean_clone_follows_the_board() {
    let room = one_task();
    let clone = room.clone_as("olga");
    claim_leaves_alone(&room, &clone);
    assert_eq!(clone.git("rev-parse HEAD"), room.head(), "by fast-forward");
    assert_eq!(clone.git("rev-parse origin/main"), room.head(), "its remote-tracking branch too");
    assert!(clone.read("squad/tasks/json/t-1.json").contains("in-progress"));
}

#[test]
fn a_sub_folder_is_as_good_as_the_top() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.write("deep/er/file.txt", "x");
    claim_leaves_alone(&room, &clone.below("deep/er"));
    let elsewhere = room.at("home");
    elsewhere.ok(&format!("list -C {}", clone.dir.display()));
}

#[test]
fn a_linked_worktree_works_and_is_left_alone() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.git("worktree add --quiet -b feature ../linked");
    let linked = room.at("linked");
    linked.write("work.txt", "in the middle of it\n");
    let head = linked.git("rev-parse HEAD");
    claim_leaves_alone(&room, &linked);
    assert_eq!(linked.git("rev-parse HEAD"), head, "another branch is not moved");
    assert_eq!(clone.status(), "", "and the worktree that has the board checked out is whole");
}

#[test]
fn a_worktree_within_the_clone_works() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.write(".git/info/exclude", "/nested\n");
    clone.git("worktree add --quiet -b feature nested");
    claim_leaves_alone(&room, &clone.below("nested"));
}

#[test]
fn a_detached_head_works_and_stays() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.git("checkout --quiet --detach");
    let head = clone.git("rev-parse HEAD");
    claim_leaves_alone(&room, &clone);
    assert_eq!(clone.git("rev-parse HEAD"), head);
    assert_eq!(clone.git("branch --show-current"), "");
}

#[test]
fn a_bare_clone_works() {
    let room = one_task();
    let clone = room.clone_with("bare.git", "--bare remote.git");
    let before = clone.git("rev-parse main");
    clone.ok("claim t-1 --agent scout");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
    let after = clone.git("rev-parse main");
    assert!(after == before || after == room.head(), "its branch stays or follows");
}

#[test]
fn a_branch_that_is_not_checked_out_is_no_obstacle() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.git("checkout --quiet -b feature");
    clone.write("src/main.txt", "mine\n");
    claim_leaves_alone(&room, &clone);
    assert_eq!(clone.git("branch --show-current"), "feature");
}

#[test]
fn changes_elsewhere_staged_and_not_survive() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.write("src/main.txt", "staged\n");
    clone.write("src/new.txt", "staged too\n");
    clone.git("add src");
    clone.write("src/main.txt", "staged, then changed again\n");
    clone.write("untracked.txt", "untracked\n");
    claim_leaves_alone(&room, &clone);
    assert_eq!(clone.read("src/main.txt"), "staged, then changed again\n");
    assert_eq!(clone.git("show :src/main.txt"), "staged");
    assert_eq!(room.file("src/main.txt").as_deref(), Some("one\n"), "and none of it is published");
}

#[test]
fn a_dirty_task_file_is_neither_published_nor_overwritten() {
    let room = one_task();
    let clone = room.clone_as("olga");
    let mine = clone.read("squad/tasks/json/t-1.json").replace("Work on t-1", "My words");
    clone.write("squad/tasks/json/t-1.json", &mine);
    let head = clone.git("rev-parse HEAD");
    claim_leaves_alone(&room, &clone);
    assert_eq!(clone.read("squad/tasks/json/t-1.json"), mine);
    assert_eq!(room.task("t-1")["title"], "Work on t-1");
    assert_eq!(clone.git("rev-parse HEAD"), head, "the branch stays where it was");
    assert!(!clone.squad("status").ok().stdout.is_empty());
}

#[test]
fn a_branch_that_is_locked_while_the_checkout_follows_leaves_git_status_as_it_was() {
    let room = one_task();
    let clone = room.clone_as("scout");
    clone.write(".git/HEAD.lock", "");
    clone.ok("claim t-1 --agent scout");
    assert_eq!(clone.status(), "", "the claim is on the remote, and nothing of it is staged here");
    std::fs::remove_file(clone.dir.join(".git/HEAD.lock")).unwrap();
    clone.ok("comment t-1 'on it' --agent scout");
    assert_eq!((clone.status(), clone.git("rev-parse HEAD")), (String::new(), room.head()), "and it catches up");
}

#[test]
fn commits_that_the_user_has_not_pushed_stay_theirs() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.write("src/main.txt", "not ready\n");
    clone.git("commit --quiet --all -m 'not ready'");
    let mine = clone.git("rev-parse HEAD");
    claim_leaves_alone(&room, &clone);
    assert_eq!(clone.git("rev-parse HEAD"), mine);
    assert_eq!(room.file("src/main.txt").as_deref(), Some("one\n"));
}

#[test]
fn an_unfinished_merge_is_left_as_it_is() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.git("checkout --quiet -b other");
    clone.write("src/main.txt", "other\n");
    clone.git("commit --quiet --all -m other");
    clone.git("checkout --quiet main");
    clone.write("src/main.txt", "main\n");
    clone.git("commit --quiet --all -m main");
    clone.try_git("merge other").expect_err("it conflicts");
    let (merge, text) = (clone.git("rev-parse MERGE_HEAD"), clone.read("src/main.txt"));
    claim_leaves_alone(&room, &clone);
    assert_eq!(clone.git("rev-parse MERGE_HEAD"), merge);
    assert_eq!(clone.read("src/main.txt"), text);
}

#[test]
fn a_shallow_clone_works() {
    let room = one_task();
    room.put(&[("src/main.txt", Some("two\n"))]);
    let clone = room.clone_with("shallow", &format!("--depth 1 {}", room.remote_url()));
    assert_eq!(clone.git("rev-parse --is-shallow-repository"), "true");
    claim_leaves_alone(&room, &clone);
    clone.ok("comment t-1 hello --agent scout");
}

#[test]
fn a_partial_clone_works() {
    let room = one_task();
    room.git("config uploadpack.allowFilter true");
    let clone = room.clone_with("partial", &format!("--filter=blob:none --no-checkout {}", room.remote_url()));
    clone.ok("claim t-1 --agent scout");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
    assert_eq!(crate::kit::ids(&clone.ok("list --status in-progress")["tasks"]), ["t-1"]);
}

#[test]
fn a_partial_clone_with_a_worktree_is_left_alone() {
    let room = one_task();
    room.git("config uploadpack.allowFilter true");
    let clone = room.clone_with("partial", &format!("--filter=blob:none {}", room.remote_url()));
    claim_leaves_alone(&room, &clone);
}

#[test]
fn a_sparse_checkout_works() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.git("sparse-checkout set src");
    claim_leaves_alone(&room, &clone);
    assert!(!clone.dir.join("squad/tasks").exists(), "what was left out stays out");
}

#[test]
fn a_clone_with_reftable_works() {
    let room = one_task();
    let clone = room.clone_with("reftable", "--ref-format=reftable remote.git");
    claim_leaves_alone(&room, &clone);
    clone.ok("scan --agent scout");
}

#[test]
fn a_repository_with_sha_256_is_refused_by_name() {
    let room = Room::empty();
    let sha256 = room.at("home");
    sha256.git("init --quiet --object-format=sha256 -b main repo");
    let repo = sha256.below("repo");
    repo.sign_as("olga");
    let ran = repo.json("init").0;
    assert_ne!(ran.code, 0, "{ran}");
    let error = ran.json()["error"].to_string().to_lowercase();
    assert!(error.contains("sha-256") || error.contains("sha256"), "{ran}");
}

#[test]
fn a_board_on_its_own_branch_never_touches_the_code() {
    let room = Room::code();
    let olga = room.clone_as("olga");
    olga.ok("init --branch squad");
    olga.ok("agents add scout --role executor");
    let code = room.head();
    olga.ok("new 'A task' --id t-1");
    olga.ok("claim t-1 --agent scout");
    assert_eq!(room.head(), code);
    assert_eq!(olga.git("rev-parse HEAD"), code);
    assert_eq!(olga.status(), "");
    assert!(room.file_at("refs/heads/squad", "squad/tasks/json/t-1.json").is_some());
    let fresh = room.clone_as("pia");
    assert_eq!(fresh.ok("show t-1")["task"]["status"], "in-progress");
}

#[test]
fn several_remotes_without_origin_are_listed_and_not_guessed() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.git("remote rename origin here");
    clone.git(&format!("remote add there {}", room.remote().display()));
    let error = clone.refused("list", 2, "usage");
    let text = error.to_string();
    assert!(text.contains("here") && text.contains("there"), "{error}");
    assert!(text.contains("squad.remote"), "it names the setting: {error}");
    clone.git("config squad.remote here");
    assert_eq!(clone.ok("list")["total"], 2);
}

#[test]
fn the_only_remote_needs_no_particular_name() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.git("remote rename origin upstream");
    claim_leaves_alone(&room, &clone);
}

#[test]
fn outside_of_a_repository_squad_says_so() {
    let room = Room::empty();
    let error = room.at("home").refused("list", 3, "not-found");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("repository")), "{error}");
}

#[test]
fn git_s_own_variables_do_not_lead_squad_astray() {
    let room = one_task();
    let clone = room.clone_as("olga");
    let decoy = room.at("home");
    decoy.git("init --quiet -b main decoy");
    let index = room.path().join("home/decoy/.git/index");
    let line = ["claim", "t-1", "--agent", "scout", "--json"];
    clone.squad_with(&line, b"", &[("GIT_INDEX_FILE", &index.to_string_lossy())]).ok();
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
    assert!(!index.exists(), "no index was written");
    assert_eq!(clone.status(), "");
}

/// Makes a repository without a remote, with one commit and a board.
fn alone() -> (Room, Checkout) {
    let room = Room::empty();
    room.at("home").git("init --quiet -b main ../solo");
    let solo = room.at("solo");
    solo.sign_as("olga");
    solo.write("README.md", "alone\n");
    solo.git("add README.md");
    solo.git("commit --quiet -m start");
    solo.ok("init");
    (room, solo)
}

#[test]
fn without_a_remote_the_repository_itself_is_the_remote() {
    let (_room, solo) = alone();
    solo.ok("agents add scout --role executor");
    solo.ok("new 'A task' --id t-1");
    solo.ok("claim t-1 --agent scout");
    assert_eq!(solo.status(), "");
    assert!(solo.git("show HEAD:squad/tasks/json/t-1.json").contains("in-progress"));
    assert!(solo.read("squad/tasks/json/t-1.json").contains("in-progress"));
    assert_eq!(solo.git("log -1 --format=%s"), "squad(claim): t-1 by scout");
    assert_eq!(solo.read("README.md"), "alone\n");
}

#[test]
fn without_a_remote_a_change_that_would_be_overwritten_stops_it() {
    let (_room, solo) = alone();
    solo.ok("new 'A task' --id t-1");
    let mine = solo.read("squad/tasks/json/t-1.json").replace("A task", "My words");
    solo.write("squad/tasks/json/t-1.json", &mine);
    let head = solo.git("rev-parse HEAD");
    let ran = solo.json("comment t-1 hello").0;
    assert_ne!(ran.code, 0, "{ran}");
    assert!(ran.json()["error"]["hint"].is_string(), "{ran}");
    assert_eq!(solo.git("rev-parse HEAD"), head);
    assert_eq!(solo.read("squad/tasks/json/t-1.json"), mine);
}

#[test]
fn without_a_remote_changes_elsewhere_are_no_obstacle() {
    let (_room, solo) = alone();
    solo.write("README.md", "changed\n");
    solo.git("add README.md");
    let status = solo.status();
    solo.ok("new 'A task' --id t-1");
    assert_eq!(solo.status(), status);
    assert_eq!(solo.git("show HEAD:README.md"), "alone");
}

#[test]
fn without_a_remote_and_without_a_commit_init_makes_the_first() {
    let room = Room::empty();
    room.at("home").git("init --quiet -b main ../solo");
    let solo = room.at("solo");
    solo.sign_as("olga");
    solo.ok("init");
    solo.ok("new 'A task' --id t-1");
    assert_eq!(solo.ok("list")["total"], 1);
    assert_eq!(solo.status(), "");
    assert_eq!(solo.git("branch --show-current"), "main");
}

#[test]
fn without_a_remote_and_bare_the_branch_moves() {
    let room = Room::code();
    let bare = room.at("remote.git");
    bare.sign_as("olga");
    bare.ok("init");
    bare.ok("new 'A task' --id t-1");
    assert_eq!(room.task("t-1")["title"], "A task");
}

#[cfg(unix)]
#[test]
fn under_the_name_git_squad_it_is_a_verb_of_git() {
    let room = one_task();
    let clone = room.clone_as("olga");
    let bin = room.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_squad"), bin.join("git-squad")).unwrap();
    let listed = clone.git(&format!("--exec-path={} squad list --json", bin.display()));
    assert!(listed.contains("\"command\":\"list\"") && listed.contains("t-1"), "{listed}");
}
