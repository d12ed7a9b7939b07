//! Axes: which part of the number line a plot shows, where a value lies on it, and round numbers to mark it with.

/// Magnitudes beyond these are not drawn, or drawn as zero, so that no difference and no power of ten overflows.
const HUGE: f64 = 1e250;
const TINY: f64 = 1e-250;

/// Room left at both ends, as a share of the range.
const ROOM: f64 = 0.03;

/// Decimal exponents of the numbers that are written out in full.
const PLAIN: std::ops::Range<i32> = -3..5;

/// A stretch of the number line; of its decimal logarithm if `log`.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

/// A marked value: its position as a share of the axis, and its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub position: f64,
    pub text: String,
}

/// The marks of an axis, in units of a power of ten.
#[derive(Debug, Clone, Default)]
pub struct Ticks {
    pub marks: Vec<Tick>,
    pub exponent: i32,
}

impl Axis {
    /// An axis that holds all of `values` that can be drawn; none if there is no such value.
    pub fn over(values: impl Iterator<Item = f64>, log: bool) -> Option<Self> {
        let shown = values.filter_map(|value| on_scale(value, log));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return None;
        }
        let magnitude = low.abs().max(high.abs());
        let constant = magnitude < TINY || high - low <= 1e-9 * magnitude;
        let room = match constant {
            true if log || magnitude < TINY => 0.5,
            true => 0.05 * magnitude,
            false => ROOM * (high - low),
        };
        Some(Axis { low: low - room, high: high + room, log })
    }

    /// The axis of a plot without data.
    pub fn unit(log: bool) -> Self {
        Axis { low: 0.0, high: 1.0, log }
    }

    /// Where a value lies, 0 at the low end and 1 at the high one; none if it cannot be drawn.
    pub fn position(&self, value: f64) -> Option<f64> {
        on_scale(value, self.log).map(|value| (value - self.low) / (self.high - self.low))
    }

    /// About `wanted` marks.
    pub fn ticks(&self, wanted: usize) -> Ticks {
        if !self.log {
            return self.linear(self.low, self.high, wanted);
        }
        let choices = [self.powers(wanted, &[1.0]), self.powers(wanted, &[1.0, 2.0, 5.0])];
        match choices.into_iter().find(|marks| marks.len() > 2) {
            Some(marks) => Ticks { marks, exponent: 0 },
            // Less than a decade: evenly spaced numbers, though their marks are not.
            None => self.linear(10f64.powf(self.low), 10f64.powf(self.high), wanted),
        }
    }

    /// Multiples of 1, 2 or 5 times a power of ten between two values.
    fn linear(&self, low: f64, high: f64, wanted: usize) -> Ticks {
        let (lead, power) = step((high - low) / wanted as f64);
        let step = lead * 10f64.powi(power);
        let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
        let largest = step * first.abs().max(last.abs());
        let order = if largest > 0.0 { (largest * (1.0 + 1e-9)).log10().floor() as i32 } else { 0 };
        let exponent = if PLAIN.contains(&order) { 0 } else { order };
        let decimals = (exponent - power).max(0) as usize;
        let unit = 10f64.powi(exponent);
        let count = (last - first).clamp(-1.0, 2.0 * wanted as f64) as i64 + 1;
        let values = (0..count).map(|index| (first + index as f64) * step);
        let mark = |value: f64| Some(Tick { position: self.position(value)?, text: plain(value / unit, decimals) });
        Ticks { marks: values.filter_map(mark).collect(), exponent }
    }

    /// Powers of ten on a logarithmic axis, times each of `leads`.
    fn powers(&self, wanted: usize, leads: &[f64]) -> Vec<Tick> {
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let every = ((self.high - self.low) / wanted as f64).ceil().max(1.0) as i32;
        let exponents = (first..=last).filter(|exponent| exponent.rem_euclid(every) == 0);
        let position =
            |(lead, exponent): (f64, i32)| (lead.log10() + f64::from(exponent) - self.low) / (self.high - self.low);
        let mut shown: Vec<(f64, i32)> =
            exponents.flat_map(|exponent| leads.iter().map(move |&lead| (lead, exponent))).collect();
        shown.retain(|&mark| (0.0..=1.0).contains(&position(mark)));
        let short = shown.iter().all(|(_, exponent)| PLAIN.contains(exponent));
        let text = |(lead, exponent): (f64, i32)| match lead {
            _ if short => plain(lead * 10f64.powi(exponent), (-exponent).max(0) as usize),
            1.0 => power_of_ten(exponent),
            _ => format!("{lead}×{}", power_of_ten(exponent)),
        };
        shown.into_iter().map(|mark| Tick { position: position(mark), text: text(mark) }).collect()
    }
}

/// A value as an axis measures it; none if it cannot be drawn.
fn on_scale(value: f64, log: bool) -> Option<f64> {
    let drawable = value.abs() <= HUGE && (!log || value >= TINY);
    drawable.then(|| if log { value.log10() } else { value })
}

/// The smallest of 1, 2, 5 and 10 times a power of ten that is no less than `raw`: the factor and the exponent.
fn step(raw: f64) -> (f64, i32) {
    let power = raw.log10().floor() as i32;
    let lead = raw / 10f64.powi(power) * (1.0 - 1e-9);
    match [1.0, 2.0, 5.0].into_iter().find(|&round| lead <= round) {
        Some(round) => (round, power),
        None => (1.0, power + 1),
    }
}

/// A number with a true minus sign.
fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_string(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// For example 10⁻⁶.
pub fn power_of_ten(exponent: i32) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise = |digit: char| digit.to_digit(10).map_or('⁻', |digit| RAISED[digit as usize]);
    format!("10{}", exponent.to_string().chars().map(raise).collect::<String>())
}

/// A number to four figures.
pub fn brief(value: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    let order = value.abs().log10().floor() as i32;
    if !(-4..7).contains(&order) {
        return format!("{value:.3e}").replace('-', "−");
    }
    let text = plain(value, (3 - order).max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}
