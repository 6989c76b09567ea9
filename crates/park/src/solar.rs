//! Generation of the roof-PV plants, derived from the hours of the temperature file.
//!
//! All in integers, in this order:
//!
//! 1. *sky*: the sine of the sun's elevation over Beijing (39.9 degrees north) in the middle of the month and of the
//!    hour, in thousandths: a table.
//! 2. *clearness*: a day warmer than its month's mean had sun, a colder one had cloud. 600 thousandths, plus 8 for
//!    each tenth of a degree by which the day's mean exceeds its month's, within 150 and 950. Synthetic, like the
//!    temperature itself.
//! 3. *heat*: a module loses 4 thousandths of its output for each degree above 25, and is 25 degrees warmer than
//!    the air under a full sky: 1000 - 4 x (air + 25 x sky x clearness / 10^6 - 25), never above 1,080.
//! 4. watt-hours in the hour = peak watts x sky x clearness x heat / 10^9, rounded down.

use crate::data::{HOURS, OFFSET_MINUTES, Year, hour_begin};

/// Sine of the sun's elevation in thousandths, by month and hour of the local day.
const SKY_PERMILLE: [[i64; 24]; 12] = [
    [0, 0, 0, 0, 0, 0, 0, 45, 207, 340, 433, 481, 481, 433, 340, 207, 45, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 142, 311, 449, 547, 597, 597, 547, 449, 311, 142, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 73, 266, 440, 581, 681, 733, 733, 681, 581, 440, 266, 73, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 6, 204, 395, 566, 705, 804, 855, 855, 804, 705, 566, 395, 204, 6, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 112, 301, 485, 649, 783, 878, 927, 927, 878, 783, 649, 485, 301, 112, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 159, 344, 522, 681, 811, 904, 951, 951, 904, 811, 681, 522, 344, 159, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 138, 325, 506, 667, 799, 893, 941, 941, 893, 799, 667, 506, 325, 138, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 52, 247, 435, 603, 741, 839, 889, 889, 839, 741, 603, 435, 247, 52, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 125, 318, 491, 633, 733, 785, 785, 733, 633, 491, 318, 125, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 183, 354, 493, 592, 643, 643, 592, 493, 354, 183, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 70, 234, 368, 463, 512, 512, 463, 368, 234, 70, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 19, 179, 309, 401, 449, 449, 401, 309, 179, 19, 0, 0, 0, 0, 0, 0, 0],
];

/// Watt-hours that a plant of `peak_watts` generates in each hour of the year.
pub fn generation_wh(year: &Year, peak_watts: u64) -> Vec<u64> {
    let temperature = year.temperature_tenths();
    let month_of = |hour: usize| usize::from(hour_begin(hour).date(OFFSET_MINUTES).month) - 1;
    let mut sums = [(0i64, 0i64); 12];
    for hour in 0..HOURS {
        let (sum, count) = &mut sums[month_of(hour)];
        (*sum, *count) = (*sum + i64::from(temperature[hour]), *count + 1);
    }
    (0..HOURS)
        .map(|hour| {
            let month = month_of(hour);
            let (sum, count) = sums[month];
            let day = hour / 24 * 24;
            let day_sum: i64 = temperature[day..day + 24].iter().map(|tenths| i64::from(*tenths)).sum();
            let anomaly_tenths = day_sum.div_euclid(24) - sum.div_euclid(count);
            let clearness = (600 + 8 * anomaly_tenths).clamp(150, 950);
            let sky = SKY_PERMILLE[month][hour % 24];
            let module_tenths = i64::from(temperature[hour]) + 250 * sky * clearness / 1_000_000;
            let heat = (1_000 - 4 * (module_tenths - 250) / 10).min(1_080);
            (i128::from(peak_watts) * i128::from(sky * clearness * heat) / 1_000_000_000) as u64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roof_in_beijing_yields_between_700_and_1400_hours_of_its_peak() {
        let wh = generation_wh(&Year::load(), 1_000_000);
        let full_hours = wh.iter().sum::<u64>() / 1_000_000;
        assert!((700..1_400).contains(&full_hours), "{full_hours} hours");
        assert!(wh.iter().all(|wh| *wh <= 1_000_000));
    }

    #[test]
    fn the_night_yields_nothing() {
        let wh = generation_wh(&Year::load(), 1_000_000);
        assert!((0..HOURS).filter(|hour| !(5..19).contains(&(hour % 24))).all(|hour| wh[hour] == 0));
    }
}
