//! The choice of the next key: repeatable random numbers, uniform or Zipf-distributed.

/// SplitMix64 (Steele, Lea, Flood 2014): repeatable, and good enough to pick keys.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..limit`; the bias of 2^-64 · limit does not matter here.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// Uniform in `[0, 1)`.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Zipf's law with exponent 0.99 over `0..keys`, by rejection-inversion (Hörmann and Derflinger 1996).
/// The ranks are scrambled, so that hot keys are not neighbours in the database.
#[derive(Clone)]
pub struct Zipf {
    keys: u64,
    low: f64,
    high: f64,
    shortcut: f64,
}

const EXPONENT: f64 = 0.99;
/// A prime larger than any population, so that `rank * STRIDE mod keys` visits every key once.
pub const STRIDE: u64 = 2_654_435_761;

impl Zipf {
    pub fn new(keys: u64) -> Self {
        assert!(keys > 0 && keys < STRIDE, "a database must have fewer than {STRIDE} keys");
        Self {
            keys,
            low: integral(1.5) - 1.0,
            high: integral(keys as f64 + 0.5),
            shortcut: 2.0 - integral_inverse(integral(2.5) - density(2.0)),
        }
    }

    pub fn draw(&self, draw: &mut Draw) -> u64 {
        (self.rank(draw) - 1) * STRIDE % self.keys
    }

    /// 1 for the hottest key.
    pub fn rank(&self, draw: &mut Draw) -> u64 {
        loop {
            let area = self.high + draw.unit() * (self.low - self.high);
            let position = integral_inverse(area);
            let rank = position.round().clamp(1.0, self.keys as f64);
            if rank - position <= self.shortcut || area >= integral(rank + 0.5) - density(rank) {
                return rank as u64;
            }
        }
    }
}

/// The probability of a rank, not normalised.
pub fn density(x: f64) -> f64 {
    (-EXPONENT * x.ln()).exp()
}

/// The integral of `density`, `(x^(1-s) - 1) / (1-s)`.
fn integral(x: f64) -> f64 {
    ((1.0 - EXPONENT) * x.ln()).exp_m1() / (1.0 - EXPONENT)
}

fn integral_inverse(area: f64) -> f64 {
    (((1.0 - EXPONENT) * area).ln_1p() / (1.0 - EXPONENT)).exp()
}
