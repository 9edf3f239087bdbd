//! What each route asks of its callers, as the document has it.

use axum::http::Method;
use utoipa::Modify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, PathItem};

use crate::access::ACCESS;
use crate::keys::{Access, Scope};

/// The scheme's name in the document.
const SCHEME: &str = "key";

/// Adds the scheme, and to each route what it asks for.
pub(super) struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The secret of a key, where the server asks for keys (`--keys`); the scopes that a route \
                 names are the key's",
            ))
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
        }
        for (method, route, access) in &ACCESS {
            if let Some(item) = document.paths.paths.get_mut(route.label()) {
                ask(item, method, *access);
            }
        }
    }
}

fn ask(item: &mut PathItem, method: &Method, access: Access) {
    let operation = match *method {
        Method::GET => &mut item.get,
        Method::POST => &mut item.post,
        Method::PATCH => &mut item.patch,
        _ => &mut None,
    };
    if let Some(operation) = operation {
        let needs = |scope: Scope| SecurityRequirement::new(SCHEME, [scope.as_str()]);
        operation.security = Some(match access {
            Access::Open => Vec::new(),
            Access::AnyKey => vec![SecurityRequirement::new(SCHEME, [] as [&str; 0])],
            Access::Scope(scope) => vec![needs(scope)],
            // One of both, as the commands need.
            Access::Commands => vec![needs(Scope::Write), needs(Scope::Operate)],
        });
    }
}
