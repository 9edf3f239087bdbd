//! Compiles the definitions, without a protoc of the system's.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=lastro");
    let descriptors = protox::compile(["lastro/v1/ledger.proto"], ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_server(false)
        .btree_map(".")
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .compile_fds(descriptors)?;
    Ok(())
}
