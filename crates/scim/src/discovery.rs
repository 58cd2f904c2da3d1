//! The bodies of `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7643 sections 5 to 7).
//!
//! Every answer is complete in itself; `base` is the tenant's SCIM base URL without a trailing slash. What is
//! advertised is what works: limits come in, nothing is claimed here on its own.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::ResourceSchema;
use crate::schema::{Attribute, Schema};
use crate::schemas::{Schemas, is_common};

const SERVICE_PROVIDER_CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// The limits that are advertised.
#[derive(Debug, Clone, Copy)]
pub struct Advertised {
    /// `filter.maxResults` and `pagination.maxPageSize`.
    pub page_max: usize,
    /// `pagination.defaultPageSize`.
    pub page_default: usize,
    /// `pagination.cursorTimeout`.
    pub cursor_seconds: usize,
    /// `bulk.maxOperations`.
    pub bulk_operations_max: usize,
    /// `bulk.maxPayloadSize`.
    pub bulk_body_bytes_max: usize,
}

/// `/ServiceProviderConfig`. The event URIs are those of RFC 9967 that are published.
pub fn service_provider_config(base: &str, advertised: Advertised, event_uris: &[&str]) -> Value {
    json!({
        "schemas": [SERVICE_PROVIDER_CONFIG],
        "patch": {"supported": true},
        "bulk": {
            "supported": true,
            "maxOperations": advertised.bulk_operations_max,
            "maxPayloadSize": advertised.bulk_body_bytes_max,
        },
        "filter": {"supported": true, "maxResults": advertised.page_max},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "The token of the provisioning client in the Authorization header",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": true,
            },
            {
                "type": "httpbasic",
                "name": "HTTP Basic",
                "description": "Any user name, with the token of the provisioning client as the password",
                "specUri": "https://www.rfc-editor.org/info/rfc7617",
                "primary": false,
            },
        ],
        // RFC 9865 section 4. Clients that know nothing of cursors expect an index.
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": advertised.page_default,
            "maxPageSize": advertised.page_max,
            "cursorTimeout": advertised.cursor_seconds,
        },
        // RFC 9967 section 4.
        "securityEvents": {"asyncRequest": "none", "eventUris": event_uris},
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// The resources of `/ResourceTypes`, each by its name.
pub fn resource_types(base: &str, schemas: &Schemas) -> Vec<(String, Value)> {
    schemas
        .offered()
        .map(|schema| (schema.resource_type.name().to_owned(), resource_type(base, schema)))
        .collect()
}

fn resource_type(base: &str, schema: &ResourceSchema) -> Value {
    let name = schema.resource_type.name();
    let extensions = schema.extensions.iter().filter(|extension| !served(schema, extension).is_empty());
    let extensions: Vec<Value> =
        extensions.map(|extension| json!({"schema": extension.id, "required": false})).collect();
    json!({
        "schemas": [RESOURCE_TYPE],
        "id": name,
        "name": name,
        "description": schema.core.description,
        "endpoint": format!("/{}", schema.resource_type.endpoint()),
        "schema": schema.core.id,
        "schemaExtensions": extensions,
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base}/ResourceTypes/{name}"),
        },
    })
}

/// The resources of `/Schemas`, each by its URN, and each once.
pub fn schemas(base: &str, schemas: &Schemas) -> Vec<(String, Value)> {
    let mut resources: Vec<(String, Value)> = Vec::new();
    for shape in schemas.offered() {
        for part in shape.all() {
            let attributes = served(shape, part);
            if !attributes.is_empty() && !resources.iter().any(|(id, _)| *id == part.id) {
                resources.push((part.id.clone(), schema(base, part, &attributes)));
            }
        }
    }
    resources
}

/// The attributes of a schema that clients are told of. Common ones belong to every resource and are no part of any
/// schema (RFC 7643 section 3.1); of a type whose tenant keeps some only, these.
fn served<'s>(shape: &'s ResourceSchema, schema: &'s Schema) -> Vec<Cow<'s, Attribute>> {
    let extension = (schema.id != shape.core.id).then_some(schema.id.as_str());
    let attributes = schema.attributes.iter().filter(|attribute| !is_common(&attribute.name));
    let Some(kept) = &shape.kept else { return attributes.map(Cow::Borrowed).collect() };
    attributes
        .filter(|attribute| kept.has(extension, &attribute.name))
        .map(|attribute| {
            let mut attribute = attribute.clone();
            let name = attribute.name.clone();
            attribute.sub_attributes.retain(|part| kept.has_part(extension, &name, &part.name));
            Cow::Owned(attribute)
        })
        .collect()
}

fn schema(base: &str, schema: &Schema, attributes: &[Cow<'_, Attribute>]) -> Value {
    json!({
        "schemas": [SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": attributes,
        "meta": {
            "resourceType": "Schema",
            "location": format!("{base}/Schemas/{}", schema.id),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemas::{ENTERPRISE_USER, GROUP, USER};

    const BASE: &str = "https://scim.example.com/acme/scim/v2";

    #[test]
    fn the_service_provider_config_has_all_that_rfc_7643_requires() {
        let events = ["urn:ietf:params:scim:event:prov:delete"];
        let advertised = Advertised {
            page_max: 1_000,
            page_default: 100,
            cursor_seconds: 3_600,
            bulk_operations_max: 500,
            bulk_body_bytes_max: 1_048_576,
        };
        let config = service_provider_config(BASE, advertised, &events);
        for (feature, supported) in [
            ("patch", true),
            ("bulk", true),
            ("filter", true),
            ("changePassword", false),
            ("sort", true),
            ("etag", true),
        ] {
            assert_eq!(config[feature]["supported"], supported, "{feature}");
        }
        assert_eq!(config["filter"]["maxResults"], 1_000);
        assert_eq!(config["bulk"]["maxOperations"], 500);
        assert_eq!(config["bulk"]["maxPayloadSize"], 1_048_576);
        assert_eq!(config["securityEvents"], json!({"asyncRequest": "none", "eventUris": events}));
        assert_eq!(config["schemas"], json!([SERVICE_PROVIDER_CONFIG]));
        assert_eq!(config["meta"]["location"], format!("{BASE}/ServiceProviderConfig"));
        for scheme in config["authenticationSchemes"].as_array().unwrap() {
            for name in ["type", "name", "description"] {
                assert!(scheme[name].is_string(), "{name}");
            }
        }
        assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
    }

    #[test]
    fn resource_types_name_their_endpoints_and_schemas() {
        let types = resource_types(BASE, &Schemas::standard());
        let names: Vec<_> = types.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["User", "Group"]);
        let expected = json!({
            "schemas": [RESOURCE_TYPE], "id": "User", "name": "User", "description": "A person's account",
            "endpoint": "/Users", "schema": USER,
            "schemaExtensions": [{"schema": ENTERPRISE_USER, "required": false}],
            "meta": {"resourceType": "ResourceType", "location": format!("{BASE}/ResourceTypes/User")},
        });
        assert_eq!(types[0].1, expected);
        assert_eq!((&types[1].1["schema"], &types[1].1["schemaExtensions"]), (&json!(GROUP), &json!([])));
    }

    #[test]
    fn every_schema_in_use_is_served_once_without_common_attributes() {
        let resources = schemas(BASE, &Schemas::standard());
        let urns: Vec<_> = resources.iter().map(|(urn, _)| urn.as_str()).collect();
        assert_eq!(urns, [USER, ENTERPRISE_USER, GROUP]);
        for (urn, resource) in &resources {
            assert_eq!(resource["schemas"], json!([SCHEMA]));
            assert_eq!(resource["meta"]["location"], format!("{BASE}/Schemas/{urn}"));
            for attribute in resource["attributes"].as_array().unwrap() {
                assert!(!is_common(attribute["name"].as_str().unwrap()), "{attribute}");
            }
        }
    }

    #[test]
    fn every_attribute_is_served_with_all_its_characteristics() {
        for (_, resource) in schemas(BASE, &Schemas::standard()) {
            let attributes = resource["attributes"].as_array().unwrap().iter();
            let subs = attributes.clone().filter_map(|attribute| attribute["subAttributes"].as_array());
            for attribute in attributes.chain(subs.flatten()) {
                for name in [
                    "name",
                    "type",
                    "multiValued",
                    "description",
                    "required",
                    "caseExact",
                    "mutability",
                    "returned",
                    "uniqueness",
                ] {
                    assert!(!attribute[name].is_null(), "{name} of {attribute}");
                }
                assert_eq!(attribute["type"] == "reference", !attribute["referenceTypes"].is_null());
            }
        }
    }

    #[test]
    fn a_served_schema_can_be_read_again() {
        for (_, resource) in schemas(BASE, &Schemas::standard()) {
            let schema: Schema = serde_json::from_value(resource.clone()).unwrap();
            assert_eq!(serde_json::to_value(&schema.attributes).unwrap(), resource["attributes"]);
        }
    }
}
