//! Who is active and in which groups, kept by the test itself while it provisions at random.

use std::collections::{BTreeMap, BTreeSet};

use provisioning::Timestamp;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::harness::Tenant;

/// What is true from an instant on.
#[derive(Clone)]
pub(super) struct State {
    pub(super) from: Timestamp,
    /// By the number in which they were created.
    users: BTreeMap<usize, User>,
    groups: BTreeMap<usize, Group>,
}

#[derive(Clone)]
struct User {
    id: String,
    name: String,
    active: bool,
}

#[derive(Clone)]
struct Group {
    id: String,
    name: String,
    /// Numbers of users.
    members: BTreeSet<usize>,
}

/// The states so far, and the choices to come.
pub(super) struct Model {
    pub(super) states: Vec<State>,
    dice: Dice,
    made: usize,
}

impl State {
    /// As `access` answers it.
    pub(super) fn access(&self, group: Option<&str>) -> Value {
        let users = self.users.iter().filter(|(_, user)| user.active);
        let groups_of =
            |number: &usize| self.groups.values().filter(|group| group.members.contains(number)).collect();
        let shown = users.filter_map(|(number, user)| {
            let groups: Vec<&Group> = groups_of(number);
            let wanted = group.is_none_or(|name| groups.iter().any(|group| group.name == name));
            let groups: Vec<_> =
                groups.iter().map(|group| json!({"id": group.id, "displayName": group.name})).collect();
            wanted.then(|| json!({"id": user.id, "userName": user.name, "active": true, "groups": groups}))
        });
        shown.collect()
    }

    pub(super) fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.values().map(|group| group.name.as_str())
    }
}

impl Model {
    pub(super) fn new(seed: u64) -> Self {
        Self { states: Vec::new(), dice: Dice::new(seed), made: 0 }
    }

    /// One write that changes something, and the state after it.
    pub(super) async fn step(&mut self, tenant: &Tenant, now: Timestamp) {
        let nothing = State { from: now, users: BTreeMap::new(), groups: BTreeMap::new() };
        let mut state = State { from: now, ..self.states.last().cloned().unwrap_or(nothing) };
        self.made += 1;
        let users: Vec<usize> = state.users.keys().copied().collect();
        let groups: Vec<usize> = state.groups.keys().copied().collect();
        let choice = self.dice.below(12);
        if users.len() < 4 || choice < 2 {
            self.create_user(&mut state, tenant).await;
        } else if groups.len() < 2 || choice == 2 {
            self.create_group(&mut state, tenant, &users).await;
        } else if choice < 8 {
            let (user, group) = (*self.dice.choose(&users), *self.dice.choose(&groups));
            join_or_leave(&mut state, tenant, user, group).await;
        } else if choice == 8 && groups.len() > 2 {
            let gone = state.groups.remove(self.dice.choose(&groups)).unwrap();
            tenant.delete(&format!("/Groups/{}", gone.id)).await.expect(204);
        } else if choice == 9 && users.len() > 6 {
            let number = *self.dice.choose(&users);
            let gone = state.users.remove(&number).unwrap();
            for group in state.groups.values_mut() {
                group.members.remove(&number);
            }
            tenant.delete(&format!("/Users/{}", gone.id)).await.expect(204);
        } else if choice == 10 {
            let group = state.groups.get_mut(self.dice.choose(&groups)).unwrap();
            group.name = format!("Group {}", self.made);
            let name = json!([{"op": "replace", "path": "displayName", "value": group.name}]);
            tenant.patch(&format!("/Groups/{}", group.id), name).await.expect(204);
        } else {
            let user = state.users.get_mut(self.dice.choose(&users)).unwrap();
            let mut change = json!({"active": !user.active});
            user.active = !user.active;
            if self.dice.below(3) == 0 {
                user.name = format!("renamed{}@example.com", self.made);
                change["userName"] = json!(user.name);
            }
            let change = json!([{"op": "replace", "value": change}]);
            tenant.patch(&format!("/Users/{}", user.id), change).await.expect(200);
        }
        self.states.push(state);
    }

    async fn create_user(&mut self, state: &mut State, tenant: &Tenant) {
        let (name, active) = (format!("user{}@example.com", self.made), self.dice.below(4) > 0);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": active
        });
        let id = crate::harness::id_of(&tenant.post("/Users", body).await.expect(201));
        state.users.insert(self.made, User { id, name, active });
    }

    async fn create_group(&mut self, state: &mut State, tenant: &Tenant, users: &[usize]) {
        let members = BTreeSet::from([*self.dice.choose(users), *self.dice.choose(users)]);
        let name = format!("Group {}", self.made);
        let ids: Vec<&str> = members.iter().map(|number| state.users[number].id.as_str()).collect();
        let id = tenant.group(&name, &ids).await;
        state.groups.insert(self.made, Group { id, name, members });
    }
}

async fn join_or_leave(state: &mut State, tenant: &Tenant, number: usize, group: usize) {
    let user = state.users[&number].id.clone();
    let group = state.groups.get_mut(&group).unwrap();
    let operation = if group.members.remove(&number) {
        json!([{"op": "remove", "path": format!("members[value eq \"{user}\"]")}])
    } else {
        group.members.insert(number);
        json!([{"op": "add", "path": "members", "value": [{"value": user}]}])
    };
    tenant.patch(&format!("/Groups/{}", group.id), operation).await.expect(204);
}
