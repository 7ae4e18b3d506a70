//! Maps that keep the order of their keys.
//!
//! The type of `serde_json`'s own objects, hash function included: it costs a fraction of the standard one's, and is
//! seeded anew in each process, so that whoever writes a file cannot choose beforehand keys that fall together.

/// A map that gives its entries in the order in which they came.
pub type IndexMap<K, V> = indexmap::IndexMap<K, V, foldhash::fast::RandomState>;

/// Returns an empty map that has room for so many entries.
pub fn with_capacity<K, V>(capacity: usize) -> IndexMap<K, V> {
    IndexMap::with_capacity_and_hasher(capacity, foldhash::fast::RandomState::default())
}
