#!/usr/bin/env bash
# iso_currency (crates.io): a patch release removes a currency.
#
# Guess: within one minor version a table of ISO 4217 only gains codes, so that "0.5" in Cargo.toml
# is safe for stored data.
# Seen: 0.5.1 knows ANG, which ISO withdrew in 2025; 0.5.2 and 0.5.3 return None for it, and
# None is also the exponent of a code without a minor unit (XAU). HRK, withdrawn in 2023, stays known in
# all three. Software that stores codes and asks this crate for decimals needs a table of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 0.5.1 0.5.2 0.5.3; do
    mkdir -p "$folder/$version/src"
    cat >"$folder/$version/Cargo.toml" <<TOML
[package]
name = "probe"
version = "0.0.0"
edition = "2021"
[dependencies]
iso_currency = "=$version"
[workspace]
TOML
    cat >"$folder/$version/src/main.rs" <<'RUST'
fn main() {
    for code in ["ANG", "HRK", "XAU", "BRL"] {
        let currency = iso_currency::Currency::from_code(code);
        let exponent = currency.and_then(iso_currency::Currency::exponent);
        print!("{code} known={} exponent={exponent:?}; ", currency.is_some());
    }
    println!();
}
RUST
    seen=$(cd "$folder/$version" && CARGO_TARGET_DIR="$folder/target" cargo run --quiet)
    echo "iso_currency $version: $seen"
    case $version in
        0.5.1) expected="ANG known=true exponent=Some(2); " ;;
        *) expected="ANG known=false exponent=None; " ;;
    esac
    expected+="HRK known=true exponent=Some(2); XAU known=true exponent=None; BRL known=true exponent=Some(2); "
    [ "$seen" = "$expected" ] || {
        echo "changed: expected $expected"
        exit 1
    }
done
