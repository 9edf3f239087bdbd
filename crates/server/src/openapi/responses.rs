//! Answers that many routes give, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};
use utoipa::{IntoResponses, Modify};

use super::operations::operations_of;

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

/// Gives each answer from 400 on, for which a route names no body, the body of all problems, and each
/// operation an answer for the problems that every route can have.
pub(super) struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut OpenApi) {
        for (_, operation) in operations_of(document) {
            let others = Response::new(
                "Any other problem: what every route can answer is in the description of this document",
            );
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), others.into());
            for (status, response) in responses {
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
