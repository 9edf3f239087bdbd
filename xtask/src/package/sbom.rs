//! The bill of materials: CycloneDX 1.5, for programs that look for known faults in what is linked in.

use serde_json::{Value, json};

use super::dependencies::{Dependencies, Package};
use super::release::Release;

/// The document as text.
pub(super) fn document(release: &Release, dependencies: &Dependencies) -> String {
    let components: Vec<_> = dependencies.0.iter().map(component).collect();
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "lastro",
                "name": "lastro",
                "version": release.version,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
    });
    format!("{document:#}\n")
}

fn component(package: &Package) -> Value {
    let url = format!("pkg:cargo/{}@{}", package.name, package.version);
    let mut component = json!({
        "type": "library",
        "bom-ref": url,
        "name": package.name,
        "version": package.version,
        "purl": url,
    });
    if let Some(license) = &package.license {
        // Old manifests have a slash where SPDX has OR.
        let expression = license.replace('/', " OR ");
        component["licenses"] = json!([{"expression": expression}]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_is_a_component_with_its_address_and_its_licence() {
        let release = Release {
            version: "1.2.3".to_owned(),
            architecture: "amd64".to_owned(),
            time: "0".to_owned(),
        };
        let package = Package {
            id: "x".to_owned(),
            name: "hyper".to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT/Apache-2.0".to_owned()),
            source: Some("registry".to_owned()),
            manifest_path: "/x/Cargo.toml".into(),
            repository: None,
            targets: Vec::new(),
        };
        let text = document(&release, &Dependencies(vec![package]));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["metadata"]["component"]["version"], "1.2.3");
        let component = &read["components"][0];
        assert_eq!(component["purl"], "pkg:cargo/hyper@1.0.0");
        assert_eq!(component["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }
}
