//! The locks file as text: read whole, and written entry by entry.
//!
//! Every claim and every release writes the whole file and changes one entry of it. What was laid out, checked and read
//! back for an entry holds for as long as the entry is to say the same, so only what differs is gone through again. What
//! comes out is what laying the whole file over the old one gives; a file that squad has not written in this process is
//! gone through as a whole.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use super::canonical::{lay, overlay, write_list, write_string, write_value};
use super::compile::{parse_violation, validate_coordination};
use super::document::{Json, MAX_BYTES, ParseFault};
use super::keys::{Known, Shape};
use super::typed::typed;
use super::violation::Violation;
use crate::model::locks::{Coordination, LocksFile, Work};
use crate::model::ordered::IndexMap;

/// The member that holds an entry for each task.
const ENTRIES: &str = "currentWork";

/// The locks file: its text and what it says.
pub struct LocksText {
    bytes: Arc<Vec<u8>>,
    /// What it says, once somebody has asked: whoever writes the file and is done with it does not.
    file: OnceCell<Rc<LocksFile>>,
    /// What it is put together from, where squad has put it together.
    parts: Option<Parts>,
}

/// The document, taken apart.
struct Parts {
    /// All but the entries, whose object is empty.
    around: Json,
    entries: Vec<Rc<Entry>>,
    /// Those of the entries that had to be made, and the text of the document with them alone.
    fresh: Vec<usize>,
    part: Vec<u8>,
}

/// One entry.
struct Entry {
    id: String,
    value: Json,
    /// The value as it is written.
    text: Vec<u8>,
    /// What it was made of and is read as, where laying that over it changes nothing and the schema lets it pass.
    proven: OnceCell<Arc<Work>>,
}

impl LocksText {
    /// Reads what stands in the place of the locks file.
    pub fn read(bytes: Vec<u8>) -> Self {
        Self { bytes: Arc::new(bytes), file: OnceCell::new(), parts: None }
    }

    /// Returns the text.
    pub fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.bytes
    }

    /// Returns what it says.
    pub fn file(&self) -> &Rc<LocksFile> {
        self.file.get_or_init(|| {
            let file = self.parts.as_ref().and_then(Parts::read_back).map(LocksFile::Ours);
            Rc::new(file.unwrap_or_else(|| LocksFile::read(Some(&self.bytes))))
        })
    }

    /// Tells whether it is a document, whatever that says.
    pub fn is_document(&self) -> bool {
        self.parts.is_some() || Json::parse(&self.bytes).is_ok()
    }

    /// Returns the file with these locks, laid over the one that there is.
    ///
    /// # Errors
    /// What is wrong where the old file is no document, or the new one would break the schema.
    pub fn laid(path: &str, old: Option<&Self>, new: &Coordination) -> Result<Self, Vec<Violation>> {
        let unusable = |fault: ParseFault| vec![parse_violation(path, &fault)];
        let parsed;
        let before = match old {
            None => None,
            Some(old @ Self { parts: Some(parts), .. }) => {
                // What is read back is what proves an entry.
                old.file();
                Some(parts)
            }
            Some(old) => {
                parsed = Parts::of(Json::parse(&old.bytes).map_err(unusable)?);
                Some(&parsed)
            }
        };
        let (mut parts, is_same) = Parts::laid(before, new);
        let bytes = match old {
            Some(old) if is_same => old.bytes.clone(),
            _ => Arc::new(parts.text(parts.entries.iter())),
        };
        // An entry that is as it was has been through this before.
        parts.part = parts.text(parts.fresh.iter().map(|at| &parts.entries[*at]));
        let read_back = Json::parse(if bytes.len() > MAX_BYTES { &bytes } else { &parts.part }).map_err(unusable)?;
        if validate_coordination(path, &read_back).iter().any(Violation::is_error) {
            // Told of the whole file, which has other lines.
            let mut errors = validate_coordination(path, &Json::parse(&bytes).map_err(unusable)?);
            errors.retain(Violation::is_error);
            return Err(errors);
        }
        Ok(Self { bytes, file: OnceCell::new(), parts: Some(parts) })
    }
}

impl Parts {
    /// Takes a document apart.
    fn of(mut document: Json) -> Self {
        let mut entries = Vec::new();
        if let Json::Object(members) = &mut document
            && let Some(Json::Object(found)) = members.get_mut(ENTRIES)
        {
            let unproven = |(id, value)| Rc::new(Entry { id, value, text: Vec::new(), proven: OnceCell::new() });
            entries.extend(std::mem::take(found).into_iter().map(unproven));
        }
        Self { around: document, entries, fresh: Vec::new(), part: Vec::new() }
    }

    /// Lays locks over a document, and tells whether nothing has changed by that.
    fn laid(before: Option<&Self>, new: &Coordination) -> (Self, bool) {
        let none = Coordination {
            version: new.version.clone(),
            last_updated: new.last_updated.clone(),
            current_work: IndexMap::default(),
            shared_resources: new.shared_resources.clone(),
            notes: new.notes.clone(),
            extra: new.extra.clone(),
        };
        let around = overlay(before.map(|before| &before.around), typed(&none), Known::Coordination);
        let mut is_same = before.is_some_and(|before| before.around == around);
        let shape = entry_shape();
        let (mut entries, mut fresh) = (Vec::with_capacity(new.current_work.len()), Vec::new());
        let mut is_old = vec![false; new.current_work.len()];
        for old in before.into_iter().flat_map(|before| &before.entries) {
            let Some((at, _, work)) = new.current_work.get_full(old.id.as_str()) else {
                is_same = false;
                continue;
            };
            is_old[at] = true;
            if old.proven.get().is_some_and(|proven| Arc::ptr_eq(proven, work) || proven.is_spelled_like(work)) {
                entries.push(old.clone());
                continue;
            }
            let value = lay(&old.value, typed(&**work), shape);
            is_same &= value == old.value;
            fresh.push(entries.len());
            entries.push(Entry::new(old.id.clone(), value));
        }
        for ((id, work), _) in new.current_work.iter().zip(is_old).filter(|(_, is_old)| !is_old) {
            is_same = false;
            fresh.push(entries.len());
            entries.push(Entry::new(id.to_string(), typed(&**work)));
        }
        (Self { around, entries, fresh, part: Vec::new() }, is_same)
    }

    /// Returns the text of the document with some of the entries.
    fn text<'a>(&self, entries: impl Iterator<Item = &'a Rc<Entry>> + Clone) -> Vec<u8> {
        // A text that grows by copying would be copied as often as it doubles.
        let size = entries.clone().map(|entry| entry.id.len() + entry.text.len() + 16).sum::<usize>();
        let mut out = Vec::with_capacity(size + 1024);
        let mut entries = Some(entries);
        write_list(&mut out, *b"{}", self.around.as_object().into_iter().flatten(), 0, |out, (key, value)| {
            write_string(out, key);
            out.extend_from_slice(b": ");
            match entries.take_if(|_| key == ENTRIES) {
                Some(entries) => write_list(out, *b"{}", entries, 1, |out, entry| {
                    write_string(out, &entry.id);
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(&entry.text);
                }),
                None => write_value(out, value, 1),
            }
        });
        out.push(b'\n');
        out
    }

    /// Reads back what was made, which proves it, and returns what the whole file says; nothing where only the whole can tell.
    fn read_back(&self) -> Option<Coordination> {
        let LocksFile::Ours(mut read) = LocksFile::read(Some(&self.part)) else { return None };
        let mut made = std::mem::take(&mut read.current_work);
        for entry in self.fresh.iter().filter_map(|at| self.entries.get(*at)) {
            let work = made.swap_remove(entry.id.as_str())?;
            if lay(&entry.value, typed(&*work), entry_shape()) != entry.value {
                return None;
            }
            entry.proven.get_or_init(|| work);
        }
        for entry in &self.entries {
            let work = entry.proven.get()?;
            read.current_work.insert(work.task_id.clone(), work.clone());
        }
        Some(read)
    }
}

impl Entry {
    fn new(id: String, value: Json) -> Rc<Self> {
        let mut text = Vec::new();
        write_value(&mut text, &value, 2);
        Rc::new(Self { id, value, text, proven: OnceCell::new() })
    }
}

/// Returns what an entry looks like.
fn entry_shape() -> &'static Shape {
    match Known::Coordination.keys().own.get(ENTRIES).map(|key| &key.shape) {
        Some(Shape::Map(members)) => members,
        _ => &Shape::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{AgentName, Millis, TaskId};
    use crate::model::vocabulary::LockMode;
    use crate::schema::render;
    use proptest::prelude::*;
    use serde_json::json;

    const FILE: &str = "locks.json";

    /// What a file may be before squad writes it: none, one by hand, one of another tool, one that breaks the schema.
    const BEFORE: [Option<&str>; 7] = [
        None,
        Some("{}"),
        Some(
            r#"{"currentWork":{"c":{"since":1.0,"files":["x"],"taskId":"c","agent":"SCOUT","mood":"?"},"a":{"taskId":"a","files":[],"since":1}},"x":1e2}"#,
        ),
        Some(
            "{\n  \"notes\": \"n\",\n  \"currentWork\": {\n    \"b\": {\n      \"taskId\": \"b\",\n      \"files\": [],\n      \"since\": 2,\n      \"mode\": \"hard\"\n    }\n  },\n  \"version\": \"1.0\",\n  \"lastUpdated\": \"2026-02-01T10:00:00Z\"\n}\n",
        ),
        Some(
            r#"{"version":"1.0","currentWork":{"a":{"taskId":"a","files":["\u0001"],"since":1,"agent":"scout"}},"schemaVersion":2}"#,
        ),
        Some(r#"{"currentWork":[],"sharedResources":{"port":8080.0},"$schema":"s"}"#),
        Some(r#"{"currentWork":"#),
    ];

    fn work(id: &str, (files, agent, since, mode): (Vec<&str>, Option<&str>, i64, LockMode)) -> (TaskId, Arc<Work>) {
        let task_id = TaskId::new(id).expect("an id");
        // A name keeps the spelling of the file that it was read from.
        let agent = agent.map(|name| serde_json::from_value::<AgentName>(json!(name)).expect("a name"));
        let files = files.into_iter().map(str::to_owned).collect();
        (task_id.clone(), Arc::new(Work { task_id, files, agent, since: Millis(since), mode }))
    }

    fn some_locks() -> impl Strategy<Value = Coordination> {
        let said = (
            prop::collection::vec(prop::sample::select(vec!["x", "src/\"q\"", "ü", "\u{1}"]), 0..3),
            prop::sample::select(vec![None, Some("scout"), Some("SCOUT"), Some("vault")]),
            1..3_i64,
            prop::sample::select(vec![LockMode::Hard, LockMode::Advisory]),
        );
        let rare = prop::sample::select(vec!["1.0", "1.0", "1.0", "1.0", "9"]);
        (prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "d"]), said, 0..5), rare, 0..3_i64)
            .prop_map(|(works, version, at)| {
                let work = works.into_iter().map(|(id, said)| work(id, said)).collect();
                let shared_resources = if at == 0 { json!({}) } else { json!({"n": 1.0}) };
                Coordination { version: version.to_owned(), shared_resources, ..Coordination::new(work, Millis(at)) }
            })
    }

    /// Returns what writing gives without any of what was read before: the whole is laid out, read back and checked.
    fn whole(old: Option<&[u8]>, new: &Coordination) -> Result<Vec<u8>, Vec<Violation>> {
        let bytes = render(old, new, Known::Coordination).map_err(|fault| vec![parse_violation(FILE, &fault)])?;
        let mut errors = validate_coordination(FILE, &Json::parse(&bytes).expect("it was rendered"));
        errors.retain(Violation::is_error);
        if errors.is_empty() { Ok(bytes) } else { Err(errors) }
    }

    proptest! {
        #[test]
        fn what_is_written_entry_by_entry_is_what_writing_the_whole_gives(
            before in prop::sample::select(BEFORE.to_vec()),
            line in prop::collection::vec(some_locks(), 1..8),
        ) {
            let mut here = before.map(|text| LocksText::read(text.as_bytes().to_vec()));
            for new in &line {
                let laid = LocksText::laid(FILE, here.as_ref(), new);
                let wanted = whole(here.as_ref().map(|here| &here.bytes()[..]), new);
                match (laid, wanted) {
                    (Ok(laid), Ok(wanted)) => {
                        prop_assert_eq!(std::str::from_utf8(laid.bytes()), std::str::from_utf8(&wanted));
                        // As text, which unlike names does not overlook the case of letters.
                        prop_assert_eq!(
                            format!("{:?}", laid.file()),
                            format!("{:?}", LocksFile::read(Some(&wanted))),
                        );
                        here = Some(laid);
                    }
                    (laid, wanted) => prop_assert_eq!(laid.map(|laid| laid.bytes().to_vec()), wanted),
                }
            }
        }
    }

    #[test]
    fn an_entry_that_stays_is_not_gone_through_again() {
        let locks = |since| {
            let said = |since| (vec!["src"], Some("scout"), since, LockMode::Hard);
            Coordination::new(IndexMap::from_iter([work("a", said(1)), work("b", said(since))]), Millis(since))
        };
        let first = LocksText::laid(FILE, None, &locks(1)).unwrap_or_else(|errors| panic!("{errors:?}"));
        let second = LocksText::laid(FILE, Some(&first), &locks(2)).unwrap_or_else(|errors| panic!("{errors:?}"));
        let entries = |text: &LocksText| text.parts.as_ref().map(|parts| parts.entries.clone()).unwrap_or_default();
        let same: Vec<bool> =
            entries(&first).iter().zip(entries(&second)).map(|(one, other)| Rc::ptr_eq(one, &other)).collect();
        assert_eq!(same, [true, false]);
    }

    #[test]
    fn a_file_that_grows_beyond_what_is_read_is_refused() {
        let files: Vec<&str> = vec!["a/path/of/some/length/that/is/not/short.rs"; 3000];
        let works: IndexMap<TaskId, Arc<Work>> =
            (0..8).map(|n| work(&format!("t-{n}"), (files.clone(), None, 1, LockMode::Hard))).collect();
        let first = LocksText::laid(FILE, None, &Coordination::new(IndexMap::default(), Millis(1)));
        let errors = LocksText::laid(FILE, first.ok().as_ref(), &Coordination::new(works, Millis(2))).err();
        assert_eq!(errors.expect("it is too large")[0].code, "too-large");
    }
}
