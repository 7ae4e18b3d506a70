//! One pack and its index, in memory: entries are appended, and the two files come out.
//!
//! An entry stays where it is when more follow, so the entries of a pack can be carried over into a longer one as they
//! are, deltas included: those say how far back their base lies.

use std::collections::HashMap;
use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use sha1::{Digest, Sha1};

use super::super::Oid;
use super::delta::delta;

/// Length of the header: the word, the version, the number of entries.
const HEADER: usize = 12;

/// Length of a name or a checksum.
const SUM: usize = 20;

/// What an index begins with: the word and the version, then how many names there are up to each first byte.
const INDEX_BEGINS: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];

const FANOUT: usize = 256;

/// Objects from this size on are deflated in haste: what is so large here is a list of names of objects, which hardly
/// shrinks however long one tries.
const LARGE: usize = 64 << 10;

/// A delta that is no smaller than this part of its object is not worth its base.
const WORTH: usize = 2;

/// What an object is, by its number in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Commit = 1,
    Tree = 2,
    Blob = 3,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }
}

/// The number of an entry that is a delta on one further to the front.
const OFFSET_DELTA: u8 = 6;

/// Returns the name of an object.
pub(in super::super) fn object_name(kind: Kind, bytes: &[u8]) -> Oid {
    let mut sum = Sha1::new();
    sum.update(format!("{} {}\0", kind.word(), bytes.len()));
    sum.update(bytes);
    name(sum)
}

fn name(sum: Sha1) -> Oid {
    Oid::from_bytes(&sum.finalize()).expect("a checksum has the length of a name")
}

/// Where an object stands, and the sum of its entry's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: u32,
    crc: u32,
}

/// A pack that can grow.
pub(super) struct Pack {
    /// All but the checksum at the end; the number of entries is put in when it is finished.
    bytes: Vec<u8>,
    places: HashMap<Oid, Place>,
}

/// A pack as its two files.
pub(super) struct Finished {
    /// What both files are called.
    pub name: Oid,
    pub pack: Vec<u8>,
    pub index: Vec<u8>,
}

/// What stands before the deflated bytes of an entry.
struct Head {
    kind: u8,
    size: usize,
    /// Where the base is, for a delta.
    base: Option<usize>,
}

impl Pack {
    pub fn new() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), places: HashMap::new() }
    }

    /// Reads a pack and its index; nothing where they are not whole, do not belong together, or are no such files.
    pub fn parse(mut pack: Vec<u8>, index: &[u8]) -> Option<Self> {
        let Index { of_pack, places } = parse_index(index)?;
        let sum = pack.split_off(pack.len().checked_sub(SUM)?);
        let whole = pack.starts_with(b"PACK\0\0\0\x02")
            && word(&pack, 8)? as usize == places.len()
            && sum == of_pack
            && Sha1::digest(&pack)[..] == sum[..]
            // The highest bit would speak of a table that a small pack does not have.
            && places.iter().all(|(_, place)| (place.at as usize) < pack.len());
        whole.then(|| Self { bytes: pack, places: places.into_iter().collect() })
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    pub fn holds(&self, oid: Oid) -> bool {
        self.places.contains_key(&oid)
    }

    /// Returns how many deltas have to be applied to read an object.
    pub fn depth(&self, oid: Oid) -> usize {
        self.chain(oid).count().saturating_sub(1)
    }

    /// Returns the object at the end of an object's chain of deltas.
    pub fn root(&self, oid: Oid) -> Option<Oid> {
        let at = self.chain(oid).last()?;
        self.places.iter().find(|(_, place)| place.at as usize == at).map(|(oid, _)| *oid)
    }

    /// Returns where an object stands, its base, the base's base, and so on.
    fn chain(&self, oid: Oid) -> impl Iterator<Item = usize> {
        let first = self.places.get(&oid).map(|place| place.at as usize);
        std::iter::successors(first, |at| self.head(*at)?.base)
    }

    /// Returns the whole tree whose size is nearest to one, if it is near.
    pub fn tree_like(&self, size: usize) -> Option<Oid> {
        let trees = self.places.iter().filter_map(|(oid, place)| {
            let head = self.head(place.at as usize)?;
            let apart = head.size.abs_diff(size);
            (head.kind == Kind::Tree as u8 && apart < size / 8).then_some((apart, *oid))
        });
        trees.min().map(|(_, oid)| oid)
    }

    /// Appends an object that is not here yet, as a delta where it has a base here and that pays.
    pub fn append(&mut self, oid: Oid, kind: Kind, bytes: &[u8], base: Option<(Oid, &[u8])>) {
        let at = self.bytes.len();
        let delta = base.and_then(|(base, old)| {
            let base = self.places.get(&base)?;
            let delta = delta(old, bytes);
            (delta.len() < bytes.len() / WORTH).then_some((at - base.at as usize, delta))
        });
        match delta {
            Some((back, delta)) => {
                self.put_head(OFFSET_DELTA, delta.len());
                self.put_distance(back);
                self.put_deflated(&delta);
            }
            None => {
                self.put_head(kind as u8, bytes.len());
                self.put_deflated(bytes);
            }
        }
        let mut crc = Crc::new();
        crc.update(&self.bytes[at..]);
        let at = u32::try_from(at).expect("a growing pack ends long before four gigabytes");
        self.places.insert(oid, Place { at, crc: crc.sum() });
    }

    /// Returns the two files.
    pub fn finish(mut self) -> Finished {
        let mut places: Vec<(Oid, Place)> = self.places.into_iter().collect();
        places.sort_by_key(|(oid, _)| *oid);
        let count = u32::try_from(places.len()).expect("offsets of four bytes each were counted");
        self.bytes[8..HEADER].copy_from_slice(&count.to_be_bytes());
        let sum = Sha1::digest(&self.bytes);
        self.bytes.extend_from_slice(&sum);

        let mut index = INDEX_BEGINS.to_vec();
        for first in 0..=u8::MAX {
            let up_to = places.partition_point(|(oid, _)| oid.as_bytes()[0] <= first);
            index.extend_from_slice(&u32::try_from(up_to).expect("no more than all").to_be_bytes());
        }
        places.iter().for_each(|(oid, _)| index.extend_from_slice(oid.as_bytes()));
        places.iter().for_each(|(_, place)| index.extend_from_slice(&place.crc.to_be_bytes()));
        places.iter().for_each(|(_, place)| index.extend_from_slice(&place.at.to_be_bytes()));
        index.extend_from_slice(&sum);
        let own = Sha1::digest(&index);
        index.extend_from_slice(&own);
        let name = Oid::from_bytes(&sum).expect("a checksum has the length of a name");
        Finished { name, pack: self.bytes, index }
    }

    /// The kind shares its byte with the lowest four bits of the size.
    fn put_head(&mut self, kind: u8, mut size: usize) {
        let mut byte = kind << 4 | (size & 0x0f) as u8;
        size >>= 4;
        while size > 0 {
            self.bytes.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        self.bytes.push(byte);
    }

    /// Each byte but the last counts one more than it says.
    fn put_distance(&mut self, mut back: usize) {
        let mut reversed = vec![(back & 0x7f) as u8];
        back >>= 7;
        while back > 0 {
            back -= 1;
            reversed.push((back & 0x7f) as u8 | 0x80);
            back >>= 7;
        }
        self.bytes.extend(reversed.iter().rev());
    }

    fn put_deflated(&mut self, bytes: &[u8]) {
        let level = if bytes.len() < LARGE { Compression::default() } else { Compression::fast() };
        let mut encoder = ZlibEncoder::new(std::mem::take(&mut self.bytes), level);
        encoder
            .write_all(bytes)
            .and_then(|()| encoder.finish())
            .map_or_else(|_| unreachable!("BUG: memory takes what is written to it"), |written| self.bytes = written);
    }

    fn head(&self, at: usize) -> Option<Head> {
        let mut bytes = self.bytes.get(at..)?.iter().map(|byte| usize::from(*byte));
        let first = bytes.next()?;
        let (kind, mut size, mut shift, mut more) = ((first >> 4) & 7, first & 0x0f, 4, first & 0x80 != 0);
        while more && shift < usize::BITS {
            let byte = bytes.next()?;
            size |= (byte & 0x7f) << shift;
            shift += 7;
            more = byte & 0x80 != 0;
        }
        let kind = kind as u8;
        if kind != OFFSET_DELTA {
            return Some(Head { kind, size, base: None });
        }
        let mut byte = bytes.next()?;
        let mut back = byte & 0x7f;
        while byte & 0x80 != 0 {
            byte = bytes.next()?;
            back = back.checked_add(1)?.checked_mul(0x80)? | (byte & 0x7f);
        }
        Some(Head { kind, size, base: Some(at.checked_sub(back).filter(|base| *base >= HEADER && *base < at)?) })
    }
}

/// Returns the names that an index holds; nothing where it is not whole.
pub(in super::super) fn names_in(index: &[u8]) -> Option<Vec<Oid>> {
    Some(parse_index(index)?.places.into_iter().map(|(oid, _)| oid).collect())
}

/// An index, read.
struct Index<'a> {
    /// The checksum of its pack.
    of_pack: &'a [u8],
    /// Where its objects stand.
    places: Vec<(Oid, Place)>,
}

fn parse_index(index: &[u8]) -> Option<Index<'_>> {
    let names = INDEX_BEGINS.len() + 4 * FANOUT;
    let count = word(index, names - 4)? as usize;
    let (crcs, offsets) = (names + count * SUM, names + count * (SUM + 4));
    let ends = names + count * (SUM + 8);
    let whole = index.len() == ends + 2 * SUM
        && index.starts_with(&INDEX_BEGINS)
        && Sha1::digest(&index[..ends + SUM])[..] == index[ends + SUM..];
    if !whole {
        return None;
    }
    let place = |n| Some(Place { at: word(index, offsets + 4 * n)?, crc: word(index, crcs + 4 * n)? });
    let places = (0..count).map(|n| Some((Oid::from_bytes(&index[names + n * SUM..][..SUM])?, place(n)?)));
    Some(Index { of_pack: &index[ends..ends + SUM], places: places.collect::<Option<_>>()? })
}

/// Returns the number of four bytes, highest first, at a place.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
