//! The rules from the outside: the closed lists, properties over random commands, the encoding.

#[cfg(test)]
mod encoding;
#[cfg(test)]
mod expiries;
#[cfg(test)]
mod history;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
