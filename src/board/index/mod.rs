//! The index: cards of the files that have been read before, kept for the next command.
//!
//! Owns one file in the clone's state folder. It is keyed by the ids of blobs, which never mean another content, so it
//! is never out of date; what is missing is read from the board, and what is damaged is thrown away. Nothing rests on
//! it: it is written aside and renamed, never synced, and any number of processes may read and replace it at once.

mod codec;

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

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

/// What is known of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its card.
    pub card: Card,
    /// Whether it breaks no rule of its own.
    pub is_clean: bool,
}

/// The index of a clone.
pub struct Index {
    file: PathBuf,
    loaded: RefCell<Option<Rc<Loaded>>>,
}

/// What the file says, or would say if it could be written.
#[derive(Default)]
struct Loaded {
    bytes: Vec<u8>,
    /// The folder of live tasks that the file was written for, by its tree, and its files in order.
    folder: Option<(Oid, Vec<Oid>)>,
    /// Where in the bytes the record of each file is, sorted by id.
    records: Vec<(Oid, u32)>,
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
        let (_, files) = loaded.folder.as_ref().filter(|(known, _)| *known == tree)?;
        files.iter().map(|file| loaded.known(*file).map(|known| known.card)).collect()
    }

    /// Returns what is known of a file.
    pub fn known(&self, file: Oid) -> Option<Known> {
        self.loaded().known(file)
    }

    /// Tells whether a file is known to break no rule of its own.
    pub fn is_clean(&self, file: Oid) -> bool {
        let loaded = self.loaded();
        loaded.mark_of(file).is_some_and(|at| loaded.bytes[at] == CLEAN)
    }

    /// Keeps the cards of a folder of live tasks for the next command; `is_whole` tells whether they are all that it
    /// holds. Does nothing where that is known. A state folder that cannot be written to costs the next command the
    /// same reading again.
    pub fn keep(&self, tree: Oid, cards: &[(Oid, &Card)], is_whole: bool) {
        let loaded = self.loaded();
        let same_folder = loaded.folder.as_ref().is_some_and(|(known, _)| *known == tree);
        let all_known = cards.iter().all(|(file, _)| loaded.mark_of(*file).is_some());
        if all_known && (same_folder || !is_whole) {
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
        let marks: Vec<usize> = files.iter().filter_map(|file| loaded.mark_of(*file)).collect();
        if marks.iter().all(|at| loaded.bytes[*at] == CLEAN) {
            return;
        }
        let mut bytes = loaded.bytes.clone();
        marks.into_iter().for_each(|at| bytes[at] = CLEAN);
        seal(&mut bytes);
        self.replace(bytes);
    }

    fn replace(&self, bytes: Vec<u8>) {
        let _ = write_whole(&self.file, &bytes);
        *self.loaded.borrow_mut() = Loaded::read(bytes).map(Rc::new);
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
        let mut r = Reader(body);
        let tree = Oid::from_bytes(r.bytes(ID)?)?;
        let is_whole = r.number()? == 1;
        let count = usize::try_from(r.number()?).ok()?;
        let (mut files, mut records) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let file = Oid::from_bytes(r.bytes(ID)?)?;
            let len = usize::try_from(r.number()?).ok().filter(|len| *len > 0)?;
            let at = u32::try_from(bytes.len() - r.0.len()).ok()?;
            r.bytes(len)?;
            files.push(file);
            records.push((file, at));
        }
        records.sort_unstable();
        Some(Self { folder: is_whole.then_some((tree, files)), records, bytes })
    }

    /// Returns where the mark of a file's record is, which its card follows.
    fn mark_of(&self, file: Oid) -> Option<usize> {
        let at = self.records.binary_search_by_key(&file, |(known, _)| *known).ok()?;
        Some(self.records[at].1 as usize)
    }

    fn known(&self, file: Oid) -> Option<Known> {
        let (mark, card) = self.bytes.get(self.mark_of(file)?..)?.split_first()?;
        Some(Known { card: codec::read(&mut Reader(card))?, is_clean: *mark == CLEAN })
    }
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
