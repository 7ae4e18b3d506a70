//! Deltas: the few instructions that make one object's bytes out of another's. Pure.
//!
//! Made for what a board has, two versions of a long list that differ in a few places: first what they share at both
//! ends, then blocks between. Linear in what it reads.

use std::collections::HashMap;

/// Bytes that are looked for as a whole: shorter than the name of an object, longer than the instruction to copy.
const BLOCK: usize = 16;

/// Most bytes that one instruction copies: what every reader of version 2 takes.
const COPY_MAX: usize = 0x1_0000;

/// Most bytes that one instruction inserts.
const INSERT_MAX: usize = 0x7f;

/// Returns the delta that makes `new` of `old`. It may be larger than `new` where they have little in common.
pub(super) fn delta(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_size(&mut out, old.len());
    put_size(&mut out, new.len());
    let front = common(old.iter(), new.iter());
    let back = common(old[front..].iter().rev(), new[front..].iter().rev());
    put_copy(&mut out, 0, front);
    let (middle_of_old, middle_of_new) = (&old[front..old.len() - back], &new[front..new.len() - back]);
    put_middle(&mut out, middle_of_old, front, middle_of_new);
    put_copy(&mut out, old.len() - back, back);
    out
}

fn common<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// Writes what lies between; `old` stands at `shift` in its object.
fn put_middle(out: &mut Vec<u8>, old: &[u8], shift: usize, new: &[u8]) {
    let mut blocks: HashMap<&[u8], usize> = HashMap::new();
    if new.len() >= BLOCK {
        for (n, block) in old.chunks_exact(BLOCK).enumerate() {
            blocks.entry(block).or_insert(n * BLOCK);
        }
    }
    // What stands before `done` is written; what stands from there to `at` was not found.
    let (mut done, mut at) = (0, 0);
    while let Some(block) = new.get(at..at + BLOCK) {
        let Some(&found) = blocks.get(block) else {
            at += 1;
            continue;
        };
        let before = common(old[..found].iter().rev(), new[done..at].iter().rev());
        let after = common(old[found + BLOCK..].iter(), new[at + BLOCK..].iter());
        put_insert(out, &new[done..at - before]);
        put_copy(out, shift + found - before, before + BLOCK + after);
        at += BLOCK + after;
        done = at;
    }
    put_insert(out, &new[done..]);
}

fn put_size(out: &mut Vec<u8>, mut size: usize) {
    while size > 0x7f {
        out.push(low(size) | 0x80);
        size >>= 7;
    }
    out.push(low(size));
}

fn put_insert(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(INSERT_MAX) {
        out.push(low(chunk.len()));
        out.extend_from_slice(chunk);
    }
}

/// The first byte says which bytes of offset and size follow; those that are zero are left out, and no size at all
/// means the most.
fn put_copy(out: &mut Vec<u8>, mut offset: usize, mut len: usize) {
    while len > 0 {
        let size = len.min(COPY_MAX);
        let start = out.len();
        let mut command = 0x80;
        out.push(command);
        for n in 0..4 {
            put_part(out, &mut command, offset >> (8 * n), 1 << n);
        }
        if size < COPY_MAX {
            for n in 0..2 {
                put_part(out, &mut command, size >> (8 * n), 0x10 << n);
            }
        }
        out[start] = command;
        offset += size;
        len -= size;
    }
}

fn put_part(out: &mut Vec<u8>, command: &mut u8, value: usize, flag: u8) {
    let [byte, ..] = value.to_le_bytes();
    if byte != 0 {
        *command |= flag;
        out.push(byte);
    }
}

/// Returns the lowest seven bits.
fn low(value: usize) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}
