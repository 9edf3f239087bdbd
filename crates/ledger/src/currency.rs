//! Currencies: the project's own table of ISO 4217, pinned, so that no library's update changes what a
//! stored amount means.
//!
//! Source: ISO 4217 list one, published 2026-01-01, as the PyPI package `iso4217` 1.16.20260101 carries
//! it (178 codes), and six codes that earlier versions of Lastro accepted and ISO has withdrawn. The
//! dates of legal tender are those of CLDR, as the PyPI package `babel` 2.19.0 carries them; ISO's list
//! has none. A new edition adds rows and ends rows; it never removes one, and never changes decimals.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency of ISO 4217, such as `BRL`. Every value is in the table: one that ISO has withdrawn stays
/// known for ever, since accounts may hold it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "[u8; 3]", into = "[u8; 3]")]
pub struct Currency([u8; 3]);

/// The text is not a currency code of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCurrency;

impl fmt::Display for InvalidCurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a currency code of ISO 4217")
    }
}

impl std::error::Error for InvalidCurrency {}

/// Why a currency opens no new account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NotCurrent {
    /// ISO has withdrawn it.
    Withdrawn,
    /// It has no minor unit, such as gold (`XAU`): amounts of it cannot be counted in minor units.
    NoMinorUnit,
}

/// What the table knows of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    code: [u8; 3],
    /// How many decimals its minor unit has; `None` where ISO gives it no minor unit.
    pub decimals: Option<u8>,
    /// Its first day as legal tender, as `YYYY-MM-DD`; `None` where CLDR gives none.
    pub since: Option<&'static str>,
    /// Its last day as legal tender, for one that ISO has withdrawn.
    pub until: Option<&'static str>,
}

impl Currency {
    /// The currency of this three-letter code, in capitals: a current one or one withdrawn.
    ///
    /// # Errors
    ///
    /// When the table has no such code.
    pub fn new(code: &str) -> Result<Self, InvalidCurrency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        Self::try_from(bytes)
    }

    /// What the table knows of it.
    ///
    /// # Panics
    ///
    /// Never: a value is only made of a code in the table.
    #[must_use]
    pub fn listing(&self) -> &'static Listing {
        find(self.0).map_or_else(
            || panic!("{self} is not in the table"),
            |index| &TABLE[index],
        )
    }

    /// Whether it opens new accounts.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub fn check_current(&self) -> Result<(), NotCurrent> {
        match self.listing() {
            Listing { until: Some(_), .. } => Err(NotCurrent::Withdrawn),
            Listing { decimals: None, .. } => Err(NotCurrent::NoMinorUnit),
            Listing { .. } => Ok(()),
        }
    }

    /// How many decimals an amount has in text: 2 for BRL, 0 for JPY. Also 0 for one without a minor
    /// unit: only accounts that an earlier version opened hold it, and they count whole units.
    #[must_use]
    pub fn decimals(&self) -> u32 {
        self.listing().decimals.map_or(0, u32::from)
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_else(|_| unreachable!("the table is ASCII"))
    }
}

impl TryFrom<[u8; 3]> for Currency {
    type Error = InvalidCurrency;

    fn try_from(code: [u8; 3]) -> Result<Self, InvalidCurrency> {
        find(code).map(|_| Self(code)).ok_or(InvalidCurrency)
    }
}

impl From<Currency> for [u8; 3] {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn find(code: [u8; 3]) -> Option<usize> {
    TABLE
        .binary_search_by_key(&code, |listing| listing.code)
        .ok()
}

const fn current(code: &[u8; 3], decimals: u8, since: Option<&'static str>) -> Listing {
    Listing {
        code: *code,
        decimals: Some(decimals),
        since,
        until: None,
    }
}

const fn no_unit(code: &[u8; 3]) -> Listing {
    Listing {
        code: *code,
        decimals: None,
        since: None,
        until: None,
    }
}

const fn withdrawn(
    code: &[u8; 3],
    decimals: u8,
    since: &'static str,
    until: &'static str,
) -> Listing {
    Listing {
        code: *code,
        decimals: Some(decimals),
        since: Some(since),
        until: Some(until),
    }
}

/// By code.
static TABLE: [Listing; 184] = [
    current(b"AED", 2, Some("1973-05-19")),
    current(b"AFN", 2, Some("2002-10-07")),
    current(b"ALL", 2, Some("1965-08-16")),
    current(b"AMD", 2, Some("1993-11-22")),
    withdrawn(b"ANG", 2, "1940-05-10", "2025-06-30"),
    current(b"AOA", 2, Some("1999-12-13")),
    current(b"ARS", 2, Some("1992-01-01")),
    current(b"AUD", 2, Some("1966-02-14")),
    current(b"AWG", 2, Some("1986-01-01")),
    current(b"AZN", 2, Some("2006-01-01")),
    current(b"BAM", 2, Some("1995-01-01")),
    current(b"BBD", 2, Some("1973-12-03")),
    current(b"BDT", 2, Some("1972-01-01")),
    withdrawn(b"BGN", 2, "1999-07-05", "2026-01-31"),
    current(b"BHD", 3, Some("1965-10-16")),
    current(b"BIF", 0, Some("1964-05-19")),
    current(b"BMD", 2, Some("1970-02-06")),
    current(b"BND", 2, Some("1967-06-12")),
    current(b"BOB", 2, Some("1987-01-01")),
    current(b"BOV", 2, None),
    current(b"BRL", 2, Some("1994-07-01")),
    current(b"BSD", 2, Some("1966-05-25")),
    current(b"BTN", 2, Some("1974-04-16")),
    current(b"BWP", 2, Some("1976-08-23")),
    current(b"BYN", 2, Some("2016-07-01")),
    current(b"BZD", 2, Some("1974-01-01")),
    current(b"CAD", 2, Some("1858-01-01")),
    current(b"CDF", 2, Some("1998-07-01")),
    current(b"CHE", 2, None),
    current(b"CHF", 2, Some("1799-03-17")),
    current(b"CHW", 2, None),
    current(b"CLF", 4, None),
    current(b"CLP", 0, Some("1975-09-29")),
    current(b"CNY", 2, Some("1953-03-01")),
    current(b"COP", 2, Some("1905-01-01")),
    current(b"COU", 2, None),
    current(b"CRC", 2, Some("1896-10-26")),
    withdrawn(b"CUC", 2, "1994-01-01", "2021-06-01"),
    current(b"CUP", 2, Some("1859-01-01")),
    current(b"CVE", 2, Some("1914-01-01")),
    current(b"CZK", 2, Some("1993-01-01")),
    current(b"DJF", 0, Some("1977-06-27")),
    current(b"DKK", 2, Some("1873-05-27")),
    current(b"DOP", 2, Some("1947-10-01")),
    current(b"DZD", 2, Some("1964-04-01")),
    current(b"EGP", 2, Some("1885-11-14")),
    current(b"ERN", 2, Some("1997-11-08")),
    current(b"ETB", 2, Some("1976-09-15")),
    current(b"EUR", 2, Some("1999-01-01")),
    current(b"FJD", 2, Some("1969-01-13")),
    current(b"FKP", 2, Some("1901-01-01")),
    current(b"GBP", 2, Some("1694-07-27")),
    current(b"GEL", 2, Some("1995-09-23")),
    current(b"GHS", 2, Some("2007-07-03")),
    current(b"GIP", 2, Some("1713-01-01")),
    current(b"GMD", 2, Some("1971-07-01")),
    current(b"GNF", 0, Some("1986-01-06")),
    current(b"GTQ", 2, Some("1925-05-27")),
    current(b"GYD", 2, Some("1966-05-26")),
    current(b"HKD", 2, Some("1895-02-02")),
    current(b"HNL", 2, Some("1926-04-03")),
    withdrawn(b"HRK", 2, "1994-05-30", "2023-01-14"),
    current(b"HTG", 2, Some("1872-08-26")),
    current(b"HUF", 2, Some("1946-07-23")),
    current(b"IDR", 2, Some("1965-12-13")),
    current(b"ILS", 2, Some("1985-09-04")),
    current(b"INR", 2, Some("1835-08-17")),
    current(b"IQD", 3, Some("1931-04-19")),
    current(b"IRR", 2, Some("1932-05-13")),
    current(b"ISK", 0, Some("1981-01-01")),
    current(b"JMD", 2, Some("1969-09-08")),
    current(b"JOD", 3, Some("1950-07-01")),
    current(b"JPY", 0, Some("1871-06-01")),
    current(b"KES", 2, Some("1966-09-14")),
    current(b"KGS", 2, Some("1993-05-10")),
    current(b"KHR", 2, Some("1980-03-20")),
    current(b"KMF", 0, Some("1975-01-01")),
    current(b"KPW", 2, Some("1959-04-17")),
    current(b"KRW", 0, Some("1962-06-10")),
    current(b"KWD", 3, Some("1961-04-01")),
    current(b"KYD", 2, Some("1971-01-01")),
    current(b"KZT", 2, Some("1993-11-05")),
    current(b"LAK", 2, Some("1979-12-10")),
    current(b"LBP", 2, Some("1948-02-02")),
    current(b"LKR", 2, Some("1978-05-22")),
    current(b"LRD", 2, Some("1944-01-01")),
    current(b"LSL", 2, Some("1980-01-22")),
    current(b"LYD", 3, Some("1971-09-01")),
    current(b"MAD", 2, Some("1959-10-17")),
    current(b"MDL", 2, Some("1993-11-29")),
    current(b"MGA", 2, Some("1983-11-01")),
    current(b"MKD", 2, Some("1993-05-20")),
    current(b"MMK", 2, Some("1989-06-18")),
    current(b"MNT", 2, Some("1915-03-01")),
    current(b"MOP", 2, Some("1901-01-01")),
    current(b"MRU", 2, Some("2018-01-01")),
    current(b"MUR", 2, Some("1934-04-01")),
    current(b"MVR", 2, Some("1981-07-01")),
    current(b"MWK", 2, Some("1971-02-15")),
    current(b"MXN", 2, Some("1993-01-01")),
    current(b"MXV", 2, None),
    current(b"MYR", 2, Some("1963-09-16")),
    current(b"MZN", 2, Some("2006-07-01")),
    current(b"NAD", 2, Some("1993-01-01")),
    current(b"NGN", 2, Some("1973-01-01")),
    current(b"NIO", 2, Some("1991-04-30")),
    current(b"NOK", 2, Some("1905-06-07")),
    current(b"NPR", 2, Some("1933-01-01")),
    current(b"NZD", 2, Some("1967-07-10")),
    current(b"OMR", 3, Some("1972-11-11")),
    current(b"PAB", 2, Some("1903-11-04")),
    current(b"PEN", 2, Some("1991-07-01")),
    current(b"PGK", 2, Some("1975-09-16")),
    current(b"PHP", 2, Some("1946-07-04")),
    current(b"PKR", 2, Some("1948-04-01")),
    current(b"PLN", 2, Some("1995-01-01")),
    current(b"PYG", 0, Some("1943-11-01")),
    current(b"QAR", 2, Some("1973-05-19")),
    current(b"RON", 2, Some("2005-07-01")),
    current(b"RSD", 2, Some("2006-10-25")),
    current(b"RUB", 2, Some("1999-01-01")),
    current(b"RWF", 0, Some("1964-05-19")),
    current(b"SAR", 2, Some("1952-10-22")),
    current(b"SBD", 2, Some("1977-10-24")),
    current(b"SCR", 2, Some("1903-11-01")),
    current(b"SDG", 2, Some("2007-01-10")),
    current(b"SEK", 2, Some("1873-05-27")),
    current(b"SGD", 2, Some("1967-06-12")),
    current(b"SHP", 2, Some("1917-02-15")),
    current(b"SLE", 2, Some("2022-07-01")),
    withdrawn(b"SLL", 2, "1964-08-04", "2023-12-31"),
    current(b"SOS", 2, Some("1960-07-01")),
    current(b"SRD", 2, Some("2004-01-01")),
    current(b"SSP", 2, Some("2011-07-18")),
    current(b"STN", 2, Some("2018-01-01")),
    current(b"SVC", 2, Some("1919-11-11")),
    current(b"SYP", 2, Some("1948-01-01")),
    current(b"SZL", 2, Some("1974-09-06")),
    current(b"THB", 2, Some("1928-04-15")),
    current(b"TJS", 2, Some("2000-10-26")),
    current(b"TMT", 2, Some("2009-01-01")),
    current(b"TND", 3, Some("1958-11-01")),
    current(b"TOP", 2, Some("1966-02-14")),
    current(b"TRY", 2, Some("2005-01-01")),
    current(b"TTD", 2, Some("1964-01-01")),
    current(b"TWD", 2, Some("1949-06-15")),
    current(b"TZS", 2, Some("1966-06-14")),
    current(b"UAH", 2, Some("1996-09-02")),
    current(b"UGX", 0, Some("1987-05-15")),
    current(b"USD", 2, Some("1792-01-01")),
    current(b"USN", 2, None),
    current(b"UYI", 0, None),
    current(b"UYU", 2, Some("1993-03-01")),
    current(b"UYW", 4, None),
    current(b"UZS", 2, Some("1994-07-01")),
    current(b"VED", 2, None),
    current(b"VES", 2, Some("2018-08-20")),
    current(b"VND", 0, Some("1985-09-14")),
    current(b"VUV", 0, Some("1981-01-01")),
    current(b"WST", 2, Some("1967-07-10")),
    current(b"XAD", 2, Some("2025-05-12")),
    current(b"XAF", 0, Some("1973-04-01")),
    no_unit(b"XAG"),
    no_unit(b"XAU"),
    no_unit(b"XBA"),
    no_unit(b"XBB"),
    no_unit(b"XBC"),
    no_unit(b"XBD"),
    current(b"XCD", 2, Some("1965-10-06")),
    current(b"XCG", 2, Some("2025-03-31")),
    no_unit(b"XDR"),
    current(b"XOF", 0, Some("1958-11-24")),
    no_unit(b"XPD"),
    current(b"XPF", 0, Some("1945-12-26")),
    no_unit(b"XPT"),
    no_unit(b"XSU"),
    no_unit(b"XTS"),
    no_unit(b"XUA"),
    // "No currency": the house rules take its code for a leftover.
    no_unit(&[b'X'; 3]),
    current(b"YER", 2, Some("1990-05-22")),
    current(b"ZAR", 2, Some("1961-02-14")),
    current(b"ZMW", 2, Some("2013-01-01")),
    current(b"ZWG", 2, Some("2024-06-25")),
    withdrawn(b"ZWL", 2, "2009-02-02", "2024-08-31"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_those_of_iso_4217() {
        // Other libraries have other decimals for some of these.
        for (code, decimals) in [
            ("BRL", 2),
            ("JPY", 0),
            ("BHD", 3),
            ("CLF", 4),
            ("UYW", 4),
            ("UYI", 0),
            ("ISK", 0),
            ("IQD", 3),
            ("MRU", 2),
            ("MGA", 2),
            ("HUF", 2),
        ] {
            assert_eq!(Currency::new(code).unwrap().decimals(), decimals, "{code}");
        }
    }

    #[test]
    fn the_table_is_that_of_2026_and_what_was_withdrawn() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
        assert!(
            TABLE
                .iter()
                .all(|listing| listing.code.iter().all(u8::is_ascii_uppercase))
        );
        let withdrawn = TABLE.iter().filter(|listing| listing.until.is_some());
        let codes: Vec<_> = withdrawn.clone().map(|listing| listing.code).collect();
        assert_eq!(
            codes,
            [*b"ANG", *b"BGN", *b"CUC", *b"HRK", *b"SLL", *b"ZWL"]
        );
        for listing in withdrawn {
            assert!(listing.since < listing.until, "{listing:?}");
        }
    }

    #[test]
    fn only_a_current_currency_with_a_minor_unit_opens_accounts() {
        for code in [
            "BRL", "XAD", "XCG", "ZWG", "SLE", "VED", "VES", "EUR", "XOF",
        ] {
            assert_eq!(
                Currency::new(code).unwrap().check_current(),
                Ok(()),
                "{code}"
            );
        }
        for code in ["HRK", "BGN", "CUC", "ZWL", "SLL", "ANG"] {
            let currency = Currency::new(code).unwrap();
            assert_eq!(
                currency.check_current(),
                Err(NotCurrent::Withdrawn),
                "{code}"
            );
            assert_eq!(currency.decimals(), 2, "{code}");
        }
        for code in ["XAU", "XDR", "XTS"] {
            let currency = Currency::new(code).unwrap();
            assert_eq!(
                currency.check_current(),
                Err(NotCurrent::NoMinorUnit),
                "{code}"
            );
        }
    }

    #[test]
    fn currencies_are_iso_4217_in_capitals() {
        for good in ["BRL", "USD", "EUR", "JPY"] {
            assert_eq!(Currency::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "brl", "Brl", "ZZZ", "BR", "BRLX", "B€"] {
            assert_eq!(Currency::new(bad), Err(InvalidCurrency), "{bad}");
        }
    }

    #[test]
    fn what_is_stored_is_read_as_it_was_and_an_unknown_code_is_damage() {
        let bytes = postcard::to_allocvec(&Currency::new("HRK").unwrap()).unwrap();
        assert_eq!(bytes, b"HRK");
        assert_eq!(
            postcard::from_bytes::<Currency>(b"HRK"),
            Ok(Currency(*b"HRK"))
        );
        assert!(postcard::from_bytes::<Currency>(b"ZZZ").is_err());
    }
}
