//! Whom the benchmarks provision: users of about a kilobyte, as an identity provider sends them.
//!
//! A person is a function of a number, so that any answer can be checked without remembering what was sent.

const GIVEN: [&str; 16] = [
    "Alice",
    "Bilal",
    "Chloe",
    "Dmitri",
    "Emeka",
    "Fatima",
    "Giulia",
    "Hiroshi",
    "Ingrid",
    "Joao",
    "Katarzyna",
    "Liam",
    "Meera",
    "Nikolai",
    "Oluwaseun",
    "Priya",
];
const FAMILY: [&str; 16] = [
    "Andersson",
    "Baptiste",
    "Castellanos",
    "Dimitriou",
    "Eriksen",
    "Fitzgerald",
    "Gallagher",
    "Haraldsson",
    "Ivanova",
    "Jankowski",
    "Kowalczyk",
    "Lindqvist",
    "Montgomery",
    "Nakamura",
    "Oyelaran",
    "Papadopoulos",
];
const DEPARTMENTS: [&str; 8] =
    ["Engineering", "Finance", "Legal", "Logistics", "Marketing", "Operations", "Research", "Support"];

fn pick<'w>(words: &[&'w str], seed: u64) -> &'w str {
    let count = u64::try_from(words.len()).unwrap_or(1);
    words[usize::try_from(seed % count).unwrap_or_default()]
}

/// Numbers in no visible order: neighbours have nothing in common.
pub(crate) fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 17
}

/// The `userName` of a person.
pub(crate) fn user_name(number: u64) -> String {
    let seed = scattered(number);
    format!("{}.{}.{number:07}@example.com", pick(&GIVEN, seed), pick(&FAMILY, seed >> 4))
}

/// Where a person works: a number that a street address has.
pub(crate) fn floor(number: u64) -> u64 {
    scattered(number) % 90
}

/// The department that a person's title begins with.
pub(crate) fn department(number: u64) -> &'static str {
    pick(&DEPARTMENTS, scattered(number) >> 8)
}

/// The document that creates a person.
pub(crate) fn document(number: u64) -> String {
    let seed = scattered(number);
    let (given, family) = (pick(&GIVEN, seed), pick(&FAMILY, seed >> 4));
    let (department, floor) = (department(number), floor(number));
    let user_name = user_name(number);
    format!(
        "{{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\",\
         \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"],\
         \"externalId\":\"00u{number:017}\",\"userName\":\"{user_name}\",\
         \"name\":{{\"formatted\":\"{given} {family}\",\"familyName\":\"{family}\",\"givenName\":\"{given}\"}},\
         \"displayName\":\"{given} {family}\",\"title\":\"{department} Specialist {floor}\",\
         \"userType\":\"Employee\",\"preferredLanguage\":\"en-GB\",\"locale\":\"en-GB\",\
         \"timezone\":\"Europe/London\",\"active\":true,\
         \"emails\":[{{\"value\":\"{user_name}\",\"type\":\"work\",\"primary\":true}}],\
         \"phoneNumbers\":[{{\"value\":\"tel:+44-20-7946-{number:07}\",\"type\":\"work\"}}],\
         \"addresses\":[{{\"type\":\"work\",\"streetAddress\":\"{floor} Long Acre\",\"locality\":\"London\",\
         \"region\":\"Greater London\",\"postalCode\":\"WC2E {floor}\",\"country\":\"GB\"}}],\
         \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":{{\"employeeNumber\":\"{number:07}\",\
         \"costCenter\":\"{cost}\",\"organization\":\"Example Holdings\",\"division\":\"Europe\",\
         \"department\":\"{department}\"}}}}",
        cost = 4_000 + seed % 100,
    )
}
