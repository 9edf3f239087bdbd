//! Settings of `lastro`: each is written once, with its flag, its variable, its key in the file, its
//! default and its help.
//!
//! A subsystem's settings are one struct, made by [`settings!`]. A layer is what one source gives:
//! command line and environment together, or the file. [`Settings::over`] lays one over another;
//! where no layer gives a value, the default of the table holds.

use std::fmt;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor,
};
use trace::Ratio;

/// The settings of one or several subsystems, as far as one layer gives them.
pub(crate) trait Settings: Sized {
    /// The keys of the file, each the flag with `_` in the place of `-`.
    fn keys() -> Vec<&'static str>;

    /// The default of each key, as the tables write it; `None` where there is none.
    fn defaults() -> Vec<(&'static str, Option<&'static str>)>;

    /// What a file gives. Keys of other subsystems are passed over: [`check_keys`] is for them.
    fn read(text: &str) -> Result<Self, toml::de::Error>;

    /// Whether the layer gives any of them.
    fn is_any(&self) -> bool;

    /// These, and where they give nothing, those of the layer below. A switch is on if any layer
    /// turns it on.
    fn over(self, below: Self) -> Self;
}

/// What a layer gives for one setting.
pub(crate) trait Value: Sized {
    fn is_given(&self) -> bool;

    /// The argument as one that takes such values.
    fn argument(argument: Arg) -> Arg;

    fn from_matches(matches: &ArgMatches, id: &str) -> Self;
}

/// What is given once.
impl<T: Parsed> Value for Option<T> {
    fn is_given(&self) -> bool {
        self.is_some()
    }

    fn argument(argument: Arg) -> Arg {
        argument.value_parser(T::parser())
    }

    fn from_matches(matches: &ArgMatches, id: &str) -> Self {
        matches.get_one(id).cloned()
    }
}

/// What may be repeated.
impl Value for Vec<String> {
    fn is_given(&self) -> bool {
        !self.is_empty()
    }

    fn argument(argument: Arg) -> Arg {
        argument.action(ArgAction::Append).value_delimiter(',')
    }

    fn from_matches(matches: &ArgMatches, id: &str) -> Self {
        let values = matches.get_many(id);
        values.map_or_else(Self::new, |values| values.cloned().collect())
    }
}

/// A switch.
impl Value for bool {
    fn is_given(&self) -> bool {
        *self
    }

    fn argument(argument: Arg) -> Arg {
        let argument = argument.action(ArgAction::SetTrue);
        argument.value_parser(FalseyValueParser::new())
    }

    fn from_matches(matches: &ArgMatches, id: &str) -> Self {
        matches.get_flag(id)
    }
}

/// A type that a flag's text is read as.
pub(crate) trait Parsed: Clone + Send + Sync + 'static {
    fn parser() -> ValueParser;
}

impl Parsed for String {
    fn parser() -> ValueParser {
        ValueParser::string()
    }
}

impl Parsed for PathBuf {
    fn parser() -> ValueParser {
        ValueParser::path_buf()
    }
}

impl Parsed for u64 {
    fn parser() -> ValueParser {
        clap::value_parser!(u64).into()
    }
}

impl Parsed for usize {
    fn parser() -> ValueParser {
        ValueParser::new(|text: &str| text.parse::<Self>())
    }
}

impl Parsed for Ratio {
    fn parser() -> ValueParser {
        ValueParser::new(|text: &str| text.parse::<Self>())
    }
}

/// A default as the tables write it, for a setting of type `Self`.
pub(crate) trait FromDefault<D> {
    fn from_default(default: D) -> Self;
}

impl FromDefault<&str> for String {
    fn from_default(default: &str) -> Self {
        default.to_owned()
    }
}

impl FromDefault<&str> for PathBuf {
    fn from_default(default: &str) -> Self {
        default.into()
    }
}

impl FromDefault<Self> for u64 {
    fn from_default(default: Self) -> Self {
        default
    }
}

impl FromDefault<Self> for usize {
    fn from_default(default: Self) -> Self {
        default
    }
}

impl FromDefault<f64> for Ratio {
    fn from_default(default: f64) -> Self {
        Self::try_from(default).expect("the tables have shares from 0 to 1")
    }
}

/// The lines of a comment as the text of `--help`, with the default where there is one.
pub(crate) fn help(lines: &[&str], default: Option<&str>) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let text = lines.join(" ");
    let text = text.trim_end_matches('.');
    match default {
        Some(default) => format!("{text} [default: {default}]"),
        None => text.to_owned(),
    }
}

/// Fails at the first key of a file that is no setting of `S` and none of `others`.
pub(crate) fn check_keys<S: Settings>(
    text: &str,
    others: &[&'static str],
) -> Result<(), toml::de::Error> {
    let keys = KnownKeys([S::keys().as_slice(), others].concat());
    toml::Deserializer::parse(text)?.deserialize_map(&keys)
}

struct KnownKeys(Vec<&'static str>);

impl<'de> Visitor<'de> for &KnownKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(self)?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &KnownKeys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<(), D::Error> {
        let key = String::deserialize(key)?;
        match self.0.contains(&&*key) {
            true => Ok(()),
            false => Err(D::Error::custom(format_args!("unknown field `{key}`"))),
        }
    }
}

/// The settings of one subsystem, or, after `of`, of several.
///
/// The flag is the field's name with `-` in the place of `_`, the key of the file is the field's name. A
/// setting with a default has an `Option` as its field, and a method of the same name that
/// returns what is in force.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident in $heading:literal {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $type:ty $(= $default:literal)?, env $variable:literal
                    $(, $key:ident = $value:expr)*;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(default)]
        $vis struct $name {
            $(
                $(#[doc = $help])+
                $vis $field: $crate::settings::settings!(@field $type $(, $default)?),
            )*
        }

        impl clap::Args for $name {
            fn augment_args(command: clap::Command) -> clap::Command {
                command $(.arg({
                    let name = stringify!($field);
                    let default = $crate::settings::settings!(@shown $($default)?);
                    let argument = clap::Arg::new(name)
                        .long(name.replace('_', "-"))
                        .env($variable)
                        .help_heading($heading)
                        .help($crate::settings::help(&[$($help),+], default))
                        $(.$key($value))*;
                    <$crate::settings::settings!(@field $type $(, $default)?)
                        as $crate::settings::Value>::argument(argument)
                }))*
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                Self::augment_args(command)
            }
        }

        impl clap::FromArgMatches for $name {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self {
                    $($field: $crate::settings::Value::from_matches(matches, stringify!($field)),)*
                })
            }

            fn update_from_arg_matches(
                &mut self,
                matches: &clap::ArgMatches,
            ) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl $name {
            $($crate::settings::settings!(@in_force $vis $field: $type $(, $default)?);)*
        }

        impl $crate::settings::Settings for $name {
            fn keys() -> Vec<&'static str> {
                vec![$(stringify!($field)),*]
            }

            fn defaults() -> Vec<(&'static str, Option<&'static str>)> {
                vec![$((stringify!($field), $crate::settings::settings!(@shown $($default)?))),*]
            }

            fn read(text: &str) -> Result<Self, toml::de::Error> {
                toml::from_str(text)
            }

            fn is_any(&self) -> bool {
                use $crate::settings::Value as _;
                false $(|| self.$field.is_given())*
            }

            fn over(self, below: Self) -> Self {
                use $crate::settings::Value as _;
                Self {
                    $($field: if self.$field.is_given() { self.$field } else { below.$field },)*
                }
            }
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident of { $($field:ident: $type:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, clap::Args)]
        $vis struct $name {
            $(#[command(flatten)] $vis $field: $type,)*
        }

        impl $crate::settings::Settings for $name {
            fn keys() -> Vec<&'static str> {
                [$(<$type as $crate::settings::Settings>::keys()),*].concat()
            }

            fn defaults() -> Vec<(&'static str, Option<&'static str>)> {
                [$(<$type as $crate::settings::Settings>::defaults()),*].concat()
            }

            fn read(text: &str) -> Result<Self, toml::de::Error> {
                Ok(Self { $($field: <$type as $crate::settings::Settings>::read(text)?,)* })
            }

            fn is_any(&self) -> bool {
                false $(|| $crate::settings::Settings::is_any(&self.$field))*
            }

            fn over(self, below: Self) -> Self {
                Self {
                    $($field: $crate::settings::Settings::over(self.$field, below.$field),)*
                }
            }
        }
    };
    (@shown) => { None };
    (@shown $default:literal) => { Some(concat!($default)) };
    (@field $type:ty) => { $type };
    (@field $type:ty, $default:literal) => { Option<$type> };
    (@in_force $vis:vis $field:ident: $type:ty) => {};
    (@in_force $vis:vis $field:ident: $type:ty, $default:literal) => {
        $vis fn $field(&self) -> $type {
            let given = self.$field.clone();
            given.unwrap_or_else(|| $crate::settings::FromDefault::from_default($default))
        }
    };
}

pub(crate) use settings;

#[cfg(test)]
mod tests {
    use super::*;

    settings! {
        struct Doors in "Doors" {
            /// How many doors there are,
            /// at most 9.
            doors_count: u64 = 3, env "LASTRO_TEST_DOORS", value_name = "N";
            /// Who may come in.
            guests: Vec<String>, env "LASTRO_TEST_GUESTS";
            /// Opens them.
            open: bool, env "LASTRO_TEST_OPEN";
        }
    }

    settings! {
        struct House of { doors: Doors, }
    }

    fn flags(arguments: &[&str]) -> House {
        use clap::{Args, Command, FromArgMatches};
        let command = House::augment_args(Command::new("house"));
        let all = std::iter::once("house").chain(arguments.iter().copied());
        House::from_arg_matches(&command.get_matches_from(all)).unwrap()
    }

    #[test]
    fn a_flag_is_over_the_file_and_the_file_is_over_the_default() {
        let in_force = |arguments: &[&str], file: &str| {
            let house = flags(arguments).over(House::read(file).unwrap());
            (
                house.doors.doors_count(),
                house.doors.guests,
                house.doors.open,
            )
        };
        let none = Vec::<String>::new();
        assert_eq!(in_force(&[], ""), (3, none.clone(), false));
        assert_eq!(
            in_force(&[], "doors_count = 4\nopen = true"),
            (4, none.clone(), true)
        );
        let given = ["--doors-count", "5", "--open"];
        assert_eq!(
            in_force(&given, "doors_count = 4\nopen = false"),
            (5, none, true)
        );
        let (_, guests, _) = in_force(&["--guests", "me"], "guests = ['you', 'they']");
        assert_eq!(guests, ["me"]);
    }

    #[test]
    fn the_help_has_the_default() {
        use clap::{Args, Command};
        let mut command = House::augment_args(Command::new("house"));
        let help = command.render_long_help().to_string();
        assert!(
            help.contains("How many doors there are, at most 9 [default: 3]"),
            "{help}"
        );
        assert!(help.contains("Who may come in\n"), "{help}");
        assert!(help.contains("\nDoors:\n"), "{help}");
    }

    #[test]
    fn only_known_keys_are_taken() {
        assert!(check_keys::<House>("open = true\nwalls = 4", &["walls"]).is_ok());
        let text = "open = true\nwalls = 4";
        let error = check_keys::<House>(text, &[]).unwrap_err();
        assert_eq!(error.message(), "unknown field `walls`");
        assert_eq!(error.span().map(|span| &text[span]), Some("walls"));
    }
}
