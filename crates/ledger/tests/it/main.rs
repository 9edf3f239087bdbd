//! The rules from the outside: the closed lists, properties over random commands, the encoding.

#[cfg(test)]
mod lists;
