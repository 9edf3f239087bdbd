//! The text of the library: the prelude that is made of [`layout`](crate::layout), and the files of
//! `library/`, one after the other.

use std::sync::LazyLock;

use crate::layout::prelude;

/// By subject; each uses only what those before it define.
const PARTS: [&str; 7] = [
    include_str!("library/state.lua"),
    include_str!("library/transfers.lua"),
    include_str!("library/accounts.lua"),
    include_str!("library/calls.lua"),
    include_str!("library/reads.lua"),
    include_str!("library/persisted.lua"),
    include_str!("library/repair.lua"),
];

/// The library that is loaded at the start.
pub(crate) static LIBRARY: LazyLock<String> = LazyLock::new(|| {
    let mut library = prelude();
    for part in PARTS {
        library.push('\n');
        library.push_str(part);
    }
    library
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{TABLES, library_name};

    /// Each version of the library that ever was, with the hash of its text.
    const LIBRARIES: [(&str, &str); 3] = [
        (
            "lastro_1",
            "8da5f4e7b755a31967820e871240e8b56e2796260817a73ba7860210619b1e4f",
        ),
        (
            "lastro_2",
            "f2ed1d39598f57dbe41958fa0bc1456324c700eb04998d7f7e4fd28d79012ba8",
        ),
        (
            "lastro_3",
            "920d0d11efc6059414223bdeaeb4ce555dd33e9909ed3acab5b5c1329c784ddf",
        ),
    ];

    #[test]
    fn another_library_has_another_name() {
        let hash = blake3::hash(LIBRARY.as_bytes()).to_hex();
        assert_eq!(
            LIBRARIES.last(),
            Some(&(library_name!(), hash.as_str())),
            "The library has changed. A node does not start where Redis has another library of the \
             same name: give it the next one, in `library_name!`, and add it to this list. Where no \
             version with that name was released, its hash may change instead."
        );
        let first_line = concat!("#!lua name=", library_name!(), "\n");
        assert!(LIBRARY.starts_with(first_line));
    }

    /// In Lua a name that a table lacks is nothing, without an error.
    #[test]
    fn every_letter_that_the_library_names_is_in_its_table() {
        let mut named_count = 0;
        for (table, letters) in TABLES {
            let prefix = format!("{table}.");
            for part in PARTS {
                for (at, _) in part.match_indices(&prefix) {
                    // The end of a longer name is not this table's.
                    if part[..at]
                        .ends_with(|before: char| before.is_alphanumeric() || before == '_')
                    {
                        continue;
                    }
                    let rest = &part[at + prefix.len()..];
                    let end = rest.find(|next: char| !next.is_ascii_uppercase() && next != '_');
                    let name = &rest[..end.unwrap_or(rest.len())];
                    let is_there = letters.iter().any(|(known, _)| *known == name);
                    assert!(is_there, "{table}.{name}");
                    named_count += 1;
                }
            }
        }
        assert!(named_count > 50, "{named_count} names were looked at");
    }
}
