//! Answers that many routes give, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};
use utoipa::{IntoResponses, Modify};

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses<const N: usize>(of: [(&str, &str); N]) -> Responses {
    of.map(|(status, description)| (status.to_owned(), Response::new(description).into()))
        .into()
}

/// A body that is not JSON, or not as it came.
pub(crate) enum NotJson {}

impl IntoResponses for NotJson {
    fn responses() -> Responses {
        responses([(
            "415",
            "`content_type_unsupported`, `content_encoding_unsupported`",
        )])
    }
}

/// An id that a command with other content has.
pub(crate) enum OtherContent {}

impl IntoResponses for OtherContent {
    fn responses() -> Responses {
        responses([(
            "409",
            "The id was used with other content; `field` names the first that differs",
        )])
    }
}

/// No answer of the ledger to a command with an id.
pub(crate) enum NoAnswer {}

impl IntoResponses for NoAnswer {
    fn responses() -> Responses {
        responses([
            ("503", "The ledger did not answer"),
            ("504", "The outcome is unknown: ask again with the same id"),
        ])
    }
}

/// Gives each answer from 400 on, for which a route names no body, the body of all problems.
pub(super) struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut OpenApi) {
        for item in document.paths.paths.values_mut() {
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
                &mut item.patch,
            ];
            for operation in operations.into_iter().flatten() {
                for (status, response) in &mut operation.responses.responses {
                    if let RefOr::T(response) = response
                        && response.content.is_empty()
                        && status.as_str() >= "400"
                    {
                        let body = Content::new(Some(Ref::from_schema_name("ProblemBody")));
                        let media = "application/problem+json".to_owned();
                        response.content.insert(media, body);
                    }
                }
            }
        }
    }
}
