//! What bodies look like beyond what their types say: closed lists of words, ids, and the members that
//! each kind of a batch's commands takes.
//!
//! The codes of problems are the closed list of this version. Later versions add codes, so a client should
//! look at the status where it does not know a code; the document says so.

use ledger::Refusal;
use utoipa::Modify;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Discriminator, ObjectBuilder, OneOfBuilder, Schema,
    SchemaType, Type,
};
use utoipa::openapi::{Object, OpenApi, Ref, RefOr};

use crate::codes;

const FROZEN: &[&str] = &["none", "debits", "credits", "both"];

/// A schema's member that is one of these words.
const WORDS: [(&str, &str, &[&str]); 15] = [
    ("AccountView", "frozen", FROZEN),
    ("ChangeAccountRequest", "frozen", FROZEN),
    ("ChangeAccountRequest", "expected_frozen", FROZEN),
    ("CommandRequest", "frozen", FROZEN),
    ("CommandRequest", "expected_frozen", FROZEN),
    (
        "TransferView",
        "kind",
        &[
            "transfer", "pend", "post", "void", "settle", "reverse", "expire",
        ],
    ),
    (
        "TransferView",
        "pending_state",
        &["pending", "posted", "voided", "expired"],
    ),
    (
        "EntryView",
        "kind",
        &["transfer", "post", "settle", "reverse"],
    ),
    ("OperationView", "state", &["queued", "applied", "refused"]),
    (
        "PaymentView",
        "state",
        &["accepted", "sent", "settled", "refused"],
    ),
    (
        "PaymentView",
        "code",
        &["processor_refused", "purged", "operator_refused"],
    ),
    (
        "ResolutionView",
        "resolution",
        &["settled", "release", "refuse"],
    ),
    (
        "ResolveRequest",
        "resolution",
        &["settled", "release", "refuse"],
    ),
    ("TransactionRequest", "tipo", &["c", "d"]),
    ("Line", "tipo", &["c", "d"]),
];

const ACCOUNT_ID: &str = "^[A-Za-z0-9_.:-]{1,64}$";
const CURRENCY: &str = "^[A-Z]{3}$";

/// A schema's member whose text looks so.
const PATTERNS: [(&str, &str, &str); 18] = [
    ("AccountView", "id", ACCOUNT_ID),
    ("AccountView", "currency", CURRENCY),
    ("BalanceView", "account_id", ACCOUNT_ID),
    ("CommandRequest", "account_id", ACCOUNT_ID),
    ("CommandRequest", "credit_account_id", ACCOUNT_ID),
    ("CommandRequest", "debit_account_id", ACCOUNT_ID),
    ("EntryView", "credit_account_id", ACCOUNT_ID),
    ("EntryView", "debit_account_id", ACCOUNT_ID),
    ("PaymentRequest", "accountId", ACCOUNT_ID),
    ("PaymentView", "account_id", ACCOUNT_ID),
    ("PaymentView", "currency", CURRENCY),
    ("SplitRequest", "credit_account_id", ACCOUNT_ID),
    ("SplitTransferRequest", "debit_account_id", ACCOUNT_ID),
    ("TransferRequest", "credit_account_id", ACCOUNT_ID),
    ("TransferRequest", "debit_account_id", ACCOUNT_ID),
    ("TransferView", "credit_account_id", ACCOUNT_ID),
    ("TransferView", "debit_account_id", ACCOUNT_ID),
    ("OpenAccountRequest", "id", ACCOUNT_ID),
];

const COMMAND: &str = "CommandRequest";

/// A kind of a batch's commands: its schema, the members that it needs, and those that it may have.
type Kind = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const KINDS: [Kind; 8] = [
    (
        "transfer",
        "TransferCommand",
        &[
            "id",
            "debit_account_id",
            "credit_account_id",
            "amount",
            "description",
        ],
        &["reference", "metadata", "timeout_s"],
    ),
    (
        "post",
        "PostCommand",
        &["id", "pending_id"],
        &["amount", "final"],
    ),
    ("void", "VoidCommand", &["id", "pending_id"], &[]),
    (
        "reverse",
        "ReverseCommand",
        &["id", "reverses", "description"],
        &["amount", "reference", "metadata"],
    ),
    (
        "open_account",
        "OpenAccountCommand",
        &["account_id", "currency", "credit_limit"],
        &[],
    ),
    (
        "change_limit",
        "ChangeLimitCommand",
        &["account_id", "credit_limit"],
        &["expected_credit_limit", "who", "why"],
    ),
    (
        "change_freeze",
        "ChangeFreezeCommand",
        &["account_id", "frozen"],
        &["expected_frozen", "who", "why"],
    ),
    (
        "close_account",
        "CloseAccountCommand",
        &["account_id"],
        &["expected_entry_count", "who", "why"],
    ),
];

/// Gives the document's schemas their shapes.
pub(super) struct Shape;

impl Modify for Shape {
    fn modify(&self, document: &mut OpenApi) {
        for (schema, member, words) in WORDS {
            let words = words.iter().map(|word| serde_json::Value::from(*word));
            let member = member_of(document, schema, member);
            member.enum_values = Some(words.collect());
            member.pattern = None;
        }
        for (schema, member, pattern) in PATTERNS {
            member_of(document, schema, member).pattern = Some(pattern.to_owned());
        }
        split_commands(document);
        list_codes(document);
        match schemas_of(document).get_mut("PaymentsPageView") {
            Some(page) => may_be_both(page),
            None => unreachable!("there are pages of payments"),
        }
    }
}

/// A page of either kind may be one of the other as well: an empty one is.
fn may_be_both(page: &mut RefOr<Schema>) {
    let RefOr::T(Schema::OneOf(one_of)) = page else {
        unreachable!("a page is one of its kinds");
    };
    let mut any_of = AnyOfBuilder::new().description(one_of.description.take());
    for kind in one_of.items.drain(..) {
        any_of = any_of.item(kind);
    }
    *page = RefOr::T(Schema::AnyOf(any_of.build()));
}

const CODE: &str = "ProblemCode";

/// The codes, from the lists that the code itself has.
fn list_codes(document: &mut OpenApi) {
    let refusals = Refusal::CODES.map(serde_json::Value::from);
    let outcomes = ["created", "exists"].map(serde_json::Value::from);
    member_of(document, "OperationView", "code").enum_values = Some(refusals.to_vec());
    let outcomes = outcomes.into_iter().chain(refusals);
    member_of(document, "OutcomeView", "code").enum_values = Some(outcomes.collect());

    let codes = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "What went wrong, for programs: stable for good. Later versions add codes: treat an unknown one as \
             its status says. `/docs/errors` explains each.",
        ))
        .enum_values(Some(codes::entries().map(|entry| entry.code)))
        .examples(["insufficient_funds"]);
    schemas_of(document).insert(CODE.to_owned(), codes.build().into());
    let of_problem = &mut object_of(document, "ProblemBody").properties;
    let reference = Ref::from_schema_name(CODE);
    of_problem.insert("code".to_owned(), reference.into());
}

/// One schema for each kind of command, and the whole as one of these.
fn split_commands(document: &mut OpenApi) {
    let whole = object_of(document, COMMAND).clone();
    let mut one_of = OneOfBuilder::new().description(whole.description.clone());
    let mut mapping = Vec::new();
    for (kind, name, needed, optional) in KINDS {
        let mut command = ObjectBuilder::new()
            .property(
                "kind",
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some([kind])),
            )
            .required("kind")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        for member in needed.iter().chain(optional) {
            let mut shape = member_in(&whole, member).clone();
            if needed.contains(member) {
                let RefOr::T(Schema::Object(object)) = &mut shape else {
                    unreachable!("{COMMAND}.{member} is described in place");
                };
                object.schema_type = without_null(&object.schema_type);
                command = command.required(*member);
            }
            command = command.property(*member, shape);
        }
        let reference = Ref::from_schema_name(name);
        mapping.push((kind.to_owned(), reference.ref_location.clone()));
        one_of = one_of.item(reference);
        schemas_of(document).insert(name.to_owned(), command.build().into());
    }
    let one_of = one_of.discriminator(Some(Discriminator::with_mapping("kind", mapping)));
    schemas_of(document).insert(COMMAND.to_owned(), RefOr::T(Schema::OneOf(one_of.build())));
}

fn without_null(schema_type: &SchemaType) -> SchemaType {
    match schema_type {
        SchemaType::Array(types) => {
            let mut types = types.iter().filter(|one| **one != Type::Null);
            match (types.next(), types.next()) {
                (Some(one), None) => SchemaType::Type(one.clone()),
                _ => unreachable!("an optional member is of one type or null"),
            }
        }
        SchemaType::Type(_) | SchemaType::AnyValue => schema_type.clone(),
    }
}

fn schemas_of(document: &mut OpenApi) -> &mut std::collections::BTreeMap<String, RefOr<Schema>> {
    &mut document.components.get_or_insert_default().schemas
}

fn object_of<'a>(document: &'a mut OpenApi, schema: &str) -> &'a mut Object {
    match schemas_of(document).get_mut(schema) {
        Some(RefOr::T(Schema::Object(object))) => object,
        _ => unreachable!("{schema} is an object of the document"),
    }
}

fn member_in<'a>(object: &'a Object, member: &str) -> &'a RefOr<Schema> {
    let shape = object.properties.get(member);
    shape.unwrap_or_else(|| unreachable!("there is a member {member}"))
}

fn member_of<'a>(document: &'a mut OpenApi, schema: &str, member: &str) -> &'a mut Object {
    match object_of(document, schema).properties.get_mut(member) {
        Some(RefOr::T(Schema::Object(object))) => object,
        _ => unreachable!("{schema}.{member} is described in place"),
    }
}
