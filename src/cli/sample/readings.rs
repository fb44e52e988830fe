//! Made-up readings of an air-quality station: the columns, the gaps and the habits of the UCI Air Quality data set,
//! made from a seed. The same seed gives the same bytes on every machine: only `+ - * /` and comparisons are used,
//! since `exp` and `sin` differ between mathematics libraries in the last digit.

use jiff::ToSpan;
use jiff::civil::{DateTime, date};

/// The first line of the file.
pub(crate) const HEADER: &str = "Date;Time;CO;PT08.S1(CO);NMHC(GT);C6H6;PT08.S2(NMHC);NOx;PT08.S3(NOx);NO2;\
                                 PT08.S4(NO2);PT08.S5(O3);Temperature;Relative_Humidity;Absolute_Humidity";

/// Carbon monoxide by the hour: the rush hours of a city where people come home late, in mg/m³.
const CO_BY_HOUR: [f64; 24] = [
    1.8, 1.5, 1.1, 0.8, 0.7, 0.7, 0.9, 1.8, 2.8, 3.0, 2.5, 2.2, 2.2, 2.2, 2.1, 2.0, 2.3, 2.8, 3.4, 3.7, 3.5,
    2.6, 2.0, 1.9,
];
/// Nitrogen dioxide by the hour, in µg/m³.
const NO2_BY_HOUR: [f64; 24] = [
    103.0, 91.0, 78.0, 68.0, 60.0, 59.0, 71.0, 94.0, 120.0, 129.0, 132.0, 129.0, 123.0, 119.0, 116.0, 116.0,
    123.0, 135.0, 145.0, 150.0, 145.0, 131.0, 115.0, 108.0,
];
/// How much warmer an hour is than its day, in degrees.
const WARMTH_BY_HOUR: [f64; 24] = [
    -2.3, -2.8, -3.3, -3.7, -4.0, -4.2, -4.3, -4.1, -3.4, -1.8, 0.5, 2.4, 3.6, 4.2, 4.4, 4.7, 4.6, 4.0, 2.6,
    1.3, 0.3, -0.7, -1.3, -1.8,
];
/// How much moister an hour is than its day, in percent of relative humidity.
const MOISTURE_BY_HOUR: [f64; 24] = [
    6.6, 7.7, 9.0, 10.5, 11.6, 12.1, 12.5, 11.7, 9.0, 4.5, -2.2, -7.2, -10.0, -11.4, -12.0, -12.5, -12.1,
    -10.4, -7.0, -4.0, -1.0, 1.3, 3.3, 5.1,
];
/// From January to December: what a month does to carbon monoxide and to nitrogen dioxide, its temperature in
/// degrees and its relative humidity in percent. August is a month without traffic.
const CO_BY_MONTH: [f64; 12] = [1.0, 0.95, 1.03, 1.05, 0.93, 0.92, 0.83, 0.62, 1.05, 1.28, 1.27, 1.17];
const NO2_BY_MONTH: [f64; 12] = [1.18, 1.32, 1.06, 0.87, 0.83, 0.85, 0.89, 0.6, 0.93, 0.85, 1.08, 1.09];
const WARMTH_BY_MONTH: [f64; 12] = [7.9, 7.6, 13.6, 16.6, 20.9, 27.0, 29.6, 29.4, 24.2, 20.4, 14.0, 10.6];
const MOISTURE_BY_MONTH: [f64; 12] = [57.0, 52.5, 50.0, 48.0, 42.0, 38.0, 35.0, 40.0, 46.0, 61.0, 59.0, 59.0];
/// From Monday to Sunday: what a day of the week does to traffic.
const TRAFFIC_BY_WEEKDAY: [f64; 7] = [0.96, 1.07, 1.1, 1.1, 1.13, 0.9, 0.68];

/// How many hours the station measures hydrocarbons before that instrument fails for good.
const NMHC_HOURS: u64 = 7 * 24 + 6;

/// A small generator of numbers without a pattern (splitmix64), the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Around 0 with a deviation of 1: twelve dice make a bell.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Weather and air that change slowly: each hour keeps most of the hour before.
#[derive(Default)]
struct Air {
    /// Above 0 the air stands still and dirt gathers; below, the wind carries it off.
    stillness: f64,
    warmth: f64,
    moisture: f64,
}

impl Air {
    fn drift(&mut self, random: &mut Random) {
        self.stillness = 0.95 * self.stillness + 0.31 * random.bell();
        self.warmth = 0.985 * self.warmth + 0.17 * random.bell();
        self.moisture = 0.975 * self.moisture + 0.22 * random.bell();
    }
}

/// The lines of the file after the header, hour by hour, without end.
pub(crate) struct Readings {
    random: Random,
    air: Air,
    at: DateTime,
    hours: u64,
    /// How many hours the station will still be silent.
    silent_hours: u64,
}

impl Readings {
    /// Readings from 10 March 2004, 18:00 on.
    pub(crate) fn new(seed: u64) -> Self {
        let at = date(2004, 3, 10).at(18, 0, 0, 0);
        Self { random: Random(seed), air: Air::default(), at, hours: 0, silent_hours: 0 }
    }

    /// Whether the station is silent in this hour: calibration before dawn on most days, and now and then a fault
    /// of some hours or days.
    fn is_silent(&mut self) -> bool {
        if self.silent_hours == 0 {
            let chance = self.random.uniform();
            let length = self.random.uniform();
            self.silent_hours = match () {
                () if chance < 0.0055 => (2.0 + 160.0 * length * length * length) as u64,
                () if chance < 0.0300 => 1 + (2.0 * length) as u64,
                () if self.at.hour() == 3 && chance < 0.9 => 1,
                () => 0,
            };
        }
        let is_silent = self.silent_hours > 0 && self.hours > 24;
        self.silent_hours = self.silent_hours.saturating_sub(1);
        is_silent
    }

    fn reading(&mut self) -> String {
        let hour = self.at.hour().unsigned_abs() as usize;
        let traffic = TRAFFIC_BY_WEEKDAY[self.at.weekday().to_monday_zero_offset() as usize];
        let [co_season, no2_season, warmth, moisture] =
            [CO_BY_MONTH, NO2_BY_MONTH, WARMTH_BY_MONTH, MOISTURE_BY_MONTH]
                .map(|table| self.in_season(&table));
        let level = growth(0.36 * self.air.stillness + 0.15 * self.random.bell());
        let co = (0.93 * CO_BY_HOUR[hour] * traffic * co_season * level).clamp(0.1, 11.9);
        let quiet_level = growth(0.27 * self.air.stillness + 0.13 * self.random.bell());
        let no2 =
            (0.97 * NO2_BY_HOUR[hour] * (0.55 + 0.45 * traffic) * no2_season * quiet_level).clamp(2.0, 333.0);
        let temperature =
            (warmth + WARMTH_BY_HOUR[hour] * (0.5 + warmth / 40.0) + 3.0 * self.air.warmth).clamp(-1.9, 44.6);
        let humidity = (moisture + MOISTURE_BY_HOUR[hour] + 12.0 * self.air.moisture - 2.0 * self.air.warmth)
            .clamp(9.2, 88.7);
        self.line(&Quantities { co, no2, temperature, humidity, winter: no2_season })
    }

    fn line(&mut self, quantities: &Quantities) -> String {
        let Quantities { co, no2, temperature, humidity, winter } = *quantities;
        let noise: [f64; 7] = std::array::from_fn(|_| self.random.bell());
        let benzene = (4.8 * co * (1.0 + 0.16 * noise[0])).clamp(0.2, 63.7);
        let nox = (114.0 * co * winter * (1.0 + 0.25 * noise[1])).clamp(2.0, 1479.0);
        let sensors = [
            (829.0 + 133.0 * co + 60.0 * noise[2]).clamp(647.0, 2040.0),
            (560.0 + 45.0 * benzene - 0.33 * benzene * benzene + 25.0 * noise[3]).clamp(390.0, 2214.0),
            (380.0 + 90_000.0 / (benzene * 9.0 + 110.0) + 70.0 * noise[4]).clamp(322.0, 2683.0),
            (880.0 + 22.0 * temperature + 1.1 * no2 / winter + 90.0 * noise[5]).clamp(551.0, 2775.0),
            (500.0 + 240.0 * co + 110.0 * noise[6]).clamp(221.0, 2523.0),
        ];
        let nmhc = match self.hours < NMHC_HOURS {
            true => format!("{:.1}", (140.0 * co - 90.0 + 30.0 * noise[0]).clamp(7.0, 1189.0).round()),
            false => String::new(),
        };
        let absolute = absolute_humidity(temperature, humidity);
        let [s1, s2, s3, s4, s5] = sensors.map(f64::round);
        format!(
            "{:02}/{:02}/{:04};{:02}.00.00;{co:.1};{s1:.1};{nmhc};{benzene:.1};{s2:.1};{:.1};{s3:.1};{:.1};{s4:.1};\
             {s5:.1};{temperature:.1};{humidity:.1};{absolute:.4}",
            self.at.day(),
            self.at.month(),
            self.at.year(),
            self.at.hour(),
            nox.round(),
            no2.round(),
        )
    }

    /// The value of a table of months at this hour, without a step from the last of a month to the first of the next.
    fn in_season(&self, table: &[f64; 12]) -> f64 {
        let month = self.at.month().unsigned_abs() as usize - 1;
        // The table holds for the middle of a month.
        let place = (f64::from(self.at.day()) - 15.5) / 30.5;
        let neighbour = if place < 0.0 { (month + 11) % 12 } else { (month + 1) % 12 };
        let share = if place < 0.0 { -place } else { place };
        table[month] * (1.0 - share) + table[neighbour] * share
    }
}

/// What the other columns follow from.
struct Quantities {
    co: f64,
    no2: f64,
    temperature: f64,
    humidity: f64,
    /// How much the season holds the air down.
    winter: f64,
}

impl Iterator for Readings {
    type Item = String;

    /// The next line. It only ends with the calendar, in the year 9999.
    fn next(&mut self) -> Option<String> {
        loop {
            self.air.drift(&mut self.random);
            let line = (!self.is_silent()).then(|| self.reading());
            self.hours += 1;
            self.at = self.at.checked_add(1.hour()).ok()?;
            if line.is_some() {
                return line;
            }
        }
    }
}

/// Near enough to the exponential function for the noise of a station.
fn growth(exponent: f64) -> f64 {
    let root = (1.0 + exponent / 16.0).max(0.0);
    let squared = root * root;
    let fourth = squared * squared;
    let eighth = fourth * fourth;
    eighth * eighth
}

/// The water in the air, from a polynomial for its pressure at saturation.
fn absolute_humidity(temperature: f64, humidity: f64) -> f64 {
    let saturation = 6.107_8
        + temperature
            * (0.443_65 + temperature * (0.014_289 + temperature * (0.000_265 + temperature * 0.000_003_03)));
    saturation * humidity / 1_000.0
}
