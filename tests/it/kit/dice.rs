//! Random choices that a seed repeats.

/// A source of random numbers: the same seed gives the same ones.
pub struct Dice(u64);

impl Dice {
    /// Returns the dice of a run: seeded by `SQUAD_SEED`, else by the time. The seed is printed, so that a failure
    /// shows it.
    pub fn of_this_run(what: &str) -> Self {
        let fresh = || u64::try_from(super::now_ms()).expect("a time after 1970");
        let seed =
            std::env::var("SQUAD_SEED").map_or_else(|_| fresh(), |seed| seed.parse().expect("SQUAD_SEED is a number"));
        eprintln!("{what}: SQUAD_SEED={seed} makes the same choices again");
        Self::seeded(seed)
    }

    /// Returns the dice of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns dice of their own for a part of the run: threads that share some would make their choices by chance.
    pub fn part(&self, n: usize) -> Self {
        let mut part = Self(self.0 ^ (n as u64 + 1).wrapping_mul(0xA076_1D64_78BD_642F));
        part.roll();
        part
    }

    /// SplitMix64, by Sebastiano Vigna.
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 up to and without `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n as u64).expect("it is below a usize")
    }

    /// Returns one of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
