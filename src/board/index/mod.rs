//! The index: cards of the files that have been read before, kept for the next command.
//!
//! Owns one file in the clone's state folder. It is keyed by the ids of blobs, which never mean another content, so it
//! is never out of date; what is missing is read from the board, and what is damaged is thrown away. Nothing rests on
//! it: it is written aside and renamed, never synced, and any number of processes may read and replace it at once.

mod codec;

use std::cell::{OnceCell, RefCell};
use std::fs;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread;

use codec::{Reader, Writer};

use super::Oid;
use super::store::write_whole;
use crate::model::card::Card;
use crate::schema::compile;

/// The form of the file. What a card holds is part of it.
const FORM: u64 = 4;

const MAGIC: &[u8; 8] = b"squadidx";

/// Bytes before the records begin to be described: magic, fingerprint, checksum, length.
const HEAD: usize = 32;

/// From so many cards on, a second thread reads half of them. In a debug build few are enough, so that tests do it.
const WORTH_A_THREAD: usize = if cfg!(debug_assertions) { 2 } else { 512 };

/// Bytes of an object's id.
const ID: usize = 20;

/// What makes a card, and what a file is judged by: where any of it is another, so is what is known.
const RULES: [&str; 6] = [
    include_str!("codec.rs"),
    include_str!("../../model/card.rs"),
    include_str!("../../model/task.rs"),
    include_str!("../../review/within.rs"),
    include_str!("../../review/check.rs"),
    include_str!("../../schema/document.rs"),
];

/// The mark of a file that breaks no rule of its own.
const CLEAN: u8 = 1;

/// The index of a clone.
pub struct Index {
    file: PathBuf,
    loaded: RefCell<Option<Rc<Loaded>>>,
}

/// What the file says, or would say if it could be written.
#[derive(Default)]
struct Loaded {
    bytes: Vec<u8>,
    /// The folder of live tasks that the file was written for, by its tree, where the records are those of all its files.
    folder: Option<Oid>,
    /// Where in the bytes the record of each file is, in the order in which they were kept.
    records: Vec<(Oid, u32)>,
    /// The same, sorted by id, for whoever looks for one file.
    by_id: OnceCell<Vec<(Oid, u32)>>,
}

impl Index {
    /// Returns the index that is kept in a file, which need not be there and is read when it is needed.
    pub fn at(file: PathBuf) -> Self {
        Self { file, loaded: RefCell::default() }
    }

    fn loaded(&self) -> Rc<Loaded> {
        let mut loaded = self.loaded.borrow_mut();
        let read = || Rc::new(fs::read(&self.file).ok().and_then(Loaded::read).unwrap_or_default());
        loaded.get_or_insert_with(read).clone()
    }

    /// Returns the cards of a folder of live tasks, where the index was written for that very folder and knows each of
    /// its files.
    pub fn folder(&self, tree: Oid) -> Option<Vec<Card>> {
        let loaded = self.loaded();
        if loaded.folder != Some(tree) {
            return None;
        }
        let places: Vec<_> = loaded.records.iter().map(|(_, at)| Some(*at)).collect();
        loaded.cards(&places).into_iter().collect()
    }

    /// Returns the cards of files, as far as they are known.
    pub fn cards(&self, files: &[Option<Oid>]) -> Vec<Option<Card>> {
        let loaded = self.loaded();
        let places: Vec<_> = files.iter().map(|file| loaded.place_of((*file)?)).collect();
        loaded.cards(&places)
    }

    /// Tells whether a file is known to break no rule of its own.
    pub fn is_clean(&self, file: Oid) -> bool {
        let loaded = self.loaded();
        loaded.place_of(file).is_some_and(|at| loaded.bytes[at as usize] == CLEAN)
    }

    /// Keeps the cards of a folder of live tasks for the next command; `is_whole` tells whether they are all that it
    /// holds. Does nothing where that is known. A state folder that cannot be written to costs the next command the
    /// same reading again.
    pub fn keep(&self, tree: Oid, cards: &[(Oid, &Card)], is_whole: bool) {
        let loaded = self.loaded();
        let all_known = || cards.iter().all(|(file, _)| loaded.place_of(*file).is_some());
        if loaded.folder == Some(tree) || !is_whole && all_known() {
            return;
        }
        let records = cards.iter().map(|(file, card)| (*file, *card, self.is_clean(*file)));
        self.replace(write(tree, is_whole, records));
    }

    /// Keeps the cards of files whose folder has no id, in place of what was known. Does nothing where they are known.
    pub fn keep_files(&self, cards: &[(Oid, &Card)]) {
        if let Some(no_tree) = Oid::from_bytes(&[0; ID]) {
            self.keep(no_tree, cards, false);
        }
    }

    /// Takes note of files that break no rule of their own.
    pub fn mark_clean(&self, files: &[Oid]) {
        let loaded = self.loaded();
        let marks: Vec<usize> = files.iter().filter_map(|file| Some(loaded.place_of(*file)? as usize)).collect();
        if marks.iter().all(|at| loaded.bytes[*at] == CLEAN) {
            return;
        }
        let mut bytes = loaded.bytes.clone();
        marks.into_iter().for_each(|at| bytes[at] = CLEAN);
        seal(&mut bytes);
        self.replace(bytes);
    }

    fn replace(&self, bytes: Vec<u8>) {
        // Most commands do not ask again; where it could not be written, it is known all the same.
        let is_written = write_whole(&self.file, &bytes).is_ok();
        *self.loaded.borrow_mut() = if is_written { None } else { Loaded::read(bytes).map(Rc::new) };
    }
}

impl Loaded {
    /// Reads the whole of a file; nothing where any bit of it is not as it was written, or another build wrote it.
    fn read(bytes: Vec<u8>) -> Option<Self> {
        let head = bytes.get(..HEAD)?;
        let number = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let body = &bytes[HEAD..];
        if &head[..8] != MAGIC
            || number(8)? != fingerprint()
            || number(16)? != checksum(body)
            || number(24)? != body.len() as u64
        {
            return None;
        }
        let mut r = Reader::new(body);
        let tree = Oid::from_bytes(r.bytes(ID)?)?;
        let is_whole = r.number()? == 1;
        let count = usize::try_from(r.number()?).ok()?;
        let mut records = Vec::new();
        for _ in 0..count {
            let file = Oid::from_bytes(r.bytes(ID)?)?;
            let len = usize::try_from(r.number()?).ok().filter(|len| *len > 0)?;
            let at = u32::try_from(bytes.len() - r.rest.len()).ok()?;
            r.bytes(len)?;
            records.push((file, at));
        }
        Some(Self { folder: is_whole.then_some(tree), records, by_id: OnceCell::new(), bytes })
    }

    /// Returns where the mark of a file's record is, which its card follows.
    fn place_of(&self, file: Oid) -> Option<u32> {
        let records = self.by_id.get_or_init(|| {
            let mut records = self.records.clone();
            records.sort_unstable();
            records
        });
        let at = records.binary_search_by_key(&file, |(known, _)| *known).ok()?;
        Some(records[at].1)
    }

    /// Returns the cards of the records at these places.
    fn cards(&self, places: &[Option<u32>]) -> Vec<Option<Card>> {
        if places.len() < WORTH_A_THREAD {
            return cards(&self.bytes, places, places.len());
        }
        let (one, other) = places.split_at(places.len() / 2);
        let bytes = &self.bytes;
        thread::scope(|scope| {
            // Where no thread is to be had, everything is read here.
            let helper = thread::Builder::new().spawn_scoped(scope, || cards(bytes, other, other.len()));
            let mut found = cards(bytes, one, places.len());
            found.append(&mut match helper {
                Ok(helper) => helper.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => cards(bytes, other, other.len()),
            });
            found
        })
    }
}

/// Reads the cards of records, into a list that has room for more.
fn cards(bytes: &[u8], places: &[Option<u32>], room: usize) -> Vec<Option<Card>> {
    let mut r = Reader::new(&[]);
    let mut cards = Vec::with_capacity(room);
    for place in places {
        // The mark stands before the card.
        let record = place.and_then(|at| bytes.get(at as usize + 1..));
        cards.push(record.and_then(|record| {
            r.rest = record;
            codec::read(&mut r)
        }));
    }
    cards
}

fn write<'a>(tree: Oid, is_whole: bool, records: impl ExactSizeIterator<Item = (Oid, &'a Card, bool)>) -> Vec<u8> {
    let mut w = Writer(vec![0; HEAD]);
    w.0.extend_from_slice(tree.as_bytes());
    w.number(u64::from(is_whole));
    w.number(records.len() as u64);
    let mut record = Writer::default();
    for (file, card, is_clean) in records {
        record.0.clear();
        record.0.push(if is_clean { CLEAN } else { 0 });
        codec::write(&mut record, card);
        w.0.extend_from_slice(file.as_bytes());
        w.number(record.0.len() as u64);
        w.0.extend_from_slice(&record.0);
    }
    seal(&mut w.0);
    w.0
}

/// Writes the head over a body.
fn seal(bytes: &mut [u8]) {
    let (head, body) = bytes.split_at_mut(HEAD);
    head[..8].copy_from_slice(MAGIC);
    for (at, number) in [(8, fingerprint()), (16, checksum(body)), (24, body.len() as u64)] {
        head[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
}

/// What the cards and the marks depend on besides the files: the form, the rules, the build.
fn fingerprint() -> u64 {
    let rules = RULES.iter().chain(&compile::text("task")).fold(0, |sum, text| mix(sum, checksum(text.as_bytes())));
    rules ^ checksum(env!("CARGO_PKG_VERSION").as_bytes()).rotate_left(2) ^ FORM
}

fn mix(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

/// A checksum of 64 bits. Each step is invertible, so a change of any one word changes it.
fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)))
}

#[cfg(test)]
mod tests;
