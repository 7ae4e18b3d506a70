//! Deltas: the few instructions that make one object's bytes out of another's. Pure.
//!
//! Made for what a board has, two versions of a long list that differ in a few places: first what they share at both
//! ends, then blocks between. Linear in what it reads.

/// Bytes that are looked for as a whole: shorter than the name of an object, longer than the instruction to copy.
const BLOCK: usize = 16;

/// Most bytes that one instruction copies: what every reader of version 2 takes.
const COPY_MAX: usize = 0x1_0000;

/// Most bytes that one instruction inserts.
const INSERT_MAX: usize = 0x7f;

/// Bytes that are compared at once.
const STRIDE: usize = 4096;

/// Returns the delta that makes `new` of `old`. It may be larger than `new` where they have little in common.
pub(super) fn delta(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_size(&mut out, old.len());
    put_size(&mut out, new.len());
    let front = common_front(old, new);
    let back = common_back(&old[front..], &new[front..]);
    put_copy(&mut out, 0, front);
    put_middle(&mut out, &old[front..old.len() - back], front, &new[front..new.len() - back]);
    put_copy(&mut out, old.len() - back, back);
    out
}

/// Returns how many bytes two have in common at their front.
pub(in super::super) fn common_front(a: &[u8], b: &[u8]) -> usize {
    let far = a.chunks_exact(STRIDE).zip(b.chunks_exact(STRIDE)).take_while(|(a, b)| a == b).count() * STRIDE;
    far + a[far..].iter().zip(&b[far..]).take_while(|(a, b)| a == b).count()
}

fn common_back(a: &[u8], b: &[u8]) -> usize {
    let far = a.rchunks_exact(STRIDE).zip(b.rchunks_exact(STRIDE)).take_while(|(a, b)| a == b).count() * STRIDE;
    let (a, b) = (&a[..a.len() - far], &b[..b.len() - far]);
    far + a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Where blocks are in an object: one for each sum of a block, since a block that is missed costs but a few bytes.
struct Blocks<'a> {
    bytes: &'a [u8],
    /// One more than the number of the block; none has the number 0.
    slots: Vec<u32>,
}

impl<'a> Blocks<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let blocks = bytes.len() / BLOCK;
        let mut found = Self { bytes, slots: vec![0; (blocks * 2).next_power_of_two().max(2)] };
        for (number, block) in (1..).zip(bytes.chunks_exact(BLOCK)) {
            let slot = found.slot(block);
            if found.slots[slot] == 0 {
                found.slots[slot] = number;
            }
        }
        found
    }

    /// Returns where a block stands.
    fn find(&self, block: &[u8]) -> Option<usize> {
        let at = (self.slots[self.slot(block)].checked_sub(1)? as usize) * BLOCK;
        (self.bytes[at..at + BLOCK] == *block).then_some(at)
    }

    fn slot(&self, block: &[u8]) -> usize {
        let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| block[at + n]));
        // An odd number without a pattern, so that all bits of both halves reach the highest, which are taken.
        let sum = (half(0) ^ half(8).rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (sum >> (u64::BITS - self.slots.len().trailing_zeros())) as usize
    }
}

/// Writes what lies between; `old` stands at `shift` in its object.
fn put_middle(out: &mut Vec<u8>, old: &[u8], shift: usize, new: &[u8]) {
    let blocks = Blocks::of(if new.len() < BLOCK { &[] } else { old });
    // What stands before `done` is written; what stands from there to `at` was not found.
    let (mut done, mut at) = (0, 0);
    while let Some(block) = new.get(at..at + BLOCK) {
        let Some(found) = blocks.find(block) else {
            at += 1;
            continue;
        };
        let before = common_back(&old[..found], &new[done..at]);
        let after = common_front(&old[found + BLOCK..], &new[at + BLOCK..]);
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
