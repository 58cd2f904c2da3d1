//! What a broker does not take, and what others do there: other settings, limits, permissions, foreign messages.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_somebody_else_disturbs_nothing() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let context = jetstream::new(nats.connect().await);
    let intrude = || async {
        context
            .publish("muster.v1.acme.events.users.created", "no event".into())
            .await
            .unwrap()
            .await
            .unwrap();
    };
    intrude().await;
    acme.user("bob@example.com").await;
    intrude().await;
    published(&service, &nats, "acme").await;
    // The last one has an id that looks like ours; no event has that revision.
    let listed = service.admin("GET", "/audit/v1/acme/events?limit=1", None).await.expect(200);
    let id = format!("{}:0", listed["events"][0]["stream"].as_str().expect("an event names its stream"));
    let message = jetstream::message::PublishMessage::build().message_id(id).payload("no event".into());
    let sent = context.send_publish("muster.v1.acme.events.users.created", message).await.unwrap();
    sent.await.unwrap();
    service.restarted(|_| ()).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    acme.user("carol@example.com").await;
    published(&service, &nats, "acme").await;
    let mut events = held(&nats, EVENTS, "acme").await;
    events.retain(|event| event.body.is_object());
    assert_contiguous(&events);
    assert_eq!(events.len() as u64, head(&service, "acme").await);
}

/// The id that a message in flight expects before it is no secret: a forged one lets it pass in the place of a message
/// that was refused. Here what then lies in the stream is put there by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_the_id_of_one_that_was_refused_is_noticed_behind_later_ones() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let before = head(&service, "acme").await;

    service.stop().await;
    service.config.nats = None;
    service.resume().await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    acme.user("bob@example.com").await;
    acme.user("carol@example.com").await;
    let events =
        service.admin("GET", &format!("/audit/v1/acme/events?after={before}"), None).await.expect(200);
    let event = |index: usize| events["events"][index]["id"].as_str().expect("an event has an id");
    let stream = events["events"][0]["stream"].as_str().expect("an event names its stream");
    let context = jetstream::new(nats.connect().await);
    for (revision, body) in
        [(before + 1, "forged".to_owned()), (before + 2, json!({"id": event(1)}).to_string())]
    {
        let message = jetstream::message::PublishMessage::build()
            .message_id(format!("{stream}:{revision}"))
            .payload(body.into());
        let sent = context.send_publish("muster.v1.acme.events.users.created", message).await.unwrap();
        sent.await.unwrap();
    }

    service.stop().await;
    service.config.nats = Some(nats.url());
    service.resume().await;
    let halted = await_reason(&service, "acme", EVENTS, "outbox_ahead_of_log").await;
    let reason = halted["reason"].as_str().expect("a reason");
    assert!(reason.contains(&format!("revision {} was published", before + 1)), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_who_publishes_in_between_makes_no_gap() {
    let mut nats = Nats::start().await;
    nats.kill();
    let service = service(&nats.url()).await;
    let tenants = [service.create_tenant("acme", "okta").await, service.create_tenant("beta", "okta").await];
    for number in 0..400 {
        tenants[number % 2].user(&format!("user{number}@example.com")).await;
    }
    nats.resume().await;
    let client = nats.connect().await;
    let intruder = tokio::runtime::Handle::current().spawn(async move {
        let mut now_and_then = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..100 {
            now_and_then.tick().await;
            client.publish("muster.v1.beta.events.users.created", "no event".into()).await.unwrap();
            client.flush().await.unwrap();
        }
    });
    intruder.await.unwrap();
    for tenant in ["acme", "beta"] {
        published(&service, &nats, tenant).await;
    }
    for tenant in ["acme", "beta"] {
        let mut events = held(&nats, EVENTS, tenant).await;
        events.retain(|event| !event.id.is_empty());
        assert_contiguous(&events);
        assert_eq!(events.len() as u64, head(&service, tenant).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_other_settings_is_reported_and_not_altered() {
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let other = stream::Config {
        name: EVENTS.to_owned(),
        subjects: vec!["muster.v1.*.events.>".to_owned()],
        discard: stream::DiscardPolicy::Old,
        max_messages: 10,
        ..stream::Config::default()
    };
    context.create_stream(other).await.unwrap();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    let halted = await_reason(&service, "acme", EVENTS, "jetstream_stream_differs").await;
    assert_eq!(halted["state"], "halted");
    await_state(&service, "acme", DEPROVISIONING, "live").await;
    let found = context.get_stream(EVENTS).await.unwrap();
    assert_eq!(found.cached_info().config.discard, stream::DiscardPolicy::Old);
    assert_eq!(found.cached_info().state.messages, 0);
    context.delete_stream(EVENTS).await.unwrap();
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_delays_publishing_and_nothing_else() {
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let mut full = stream::Config {
        name: EVENTS.to_owned(),
        subjects: vec!["muster.v1.*.events.>".to_owned()],
        discard: stream::DiscardPolicy::New,
        max_messages: 5,
        ..stream::Config::default()
    };
    context.create_stream(full.clone()).await.unwrap();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    for number in 0..10 {
        let user = acme.user(&format!("user{number}@example.com")).await;
        set_active(&acme, &user, false).await;
    }
    let waiting = await_reason(&service, "acme", EVENTS, "jetstream_refused").await;
    assert_eq!((&waiting["state"], &waiting["revision"]), (&json!("waiting"), &json!(5)));
    eventually("the other stream to be published whole", async || {
        let other = status(&service, "acme", DEPROVISIONING).await;
        (other["state"] == "live" && other["lag_events"] == 0).then_some(())
    })
    .await;
    full.max_messages = -1;
    context.update_stream(full).await.unwrap();
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_named_and_right_ones_work() {
    let nats = Nats::start_with("authorization { user: muster, password: right }").await;
    let with = |password: &str| format!("nats://muster:{password}@127.0.0.1:{}", nats.port);
    let wrong = service(&with("wrong")).await;
    wrong.create_tenant("acme", "okta").await;
    eventually("the reason to be named", || async {
        let status = status(&wrong, "acme", EVENTS).await;
        status["reason"].as_str()?.contains("authorization violation").then_some(())
    })
    .await;
    let right = service(&with("right")).await;
    right.create_tenant("beta", "okta").await;
    await_state(&right, "beta", EVENTS, "live").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nats_finds_too_large_holds_up_its_tenant_alone_until_it_is_left_out() {
    let mut nats = Nats::start_with("max_payload: 8192").await;
    nats.kill();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    let mut members = Vec::new();
    for number in 0..250 {
        members.push(acme.user(&format!("user{number}@example.com")).await);
    }
    let ids: Vec<&str> = members.iter().map(String::as_str).collect();
    let team = acme.group("Team", &ids).await;
    set_active(&acme, ids[1], false).await;
    acme.delete(&format!("/Groups/{team}")).await.expect(204);
    nats.resume().await;
    let waits = await_reason(&service, "acme", DEPROVISIONING, "outbox_message_too_large").await;
    assert_eq!(waits["state"], "waiting");
    let bob = beta.user("bob@example.com").await;
    set_active(&beta, &bob, false).await;
    published(&service, &nats, "beta").await;
    await_state(&service, "acme", EVENTS, "live").await;
    // Not while the message is on its way once more.
    eventually("it to be left out", || async {
        (resume(&service, "acme", json!("head")).await.status == 200).then_some(())
    })
    .await;
    set_active(&acme, ids[0], false).await;
    published(&service, &nats, "acme").await;
    let told: Vec<_> = held(&nats, DEPROVISIONING, "acme").await;
    let told: Vec<_> = told.iter().map(|message| message.muster_subject.as_str()).collect();
    assert_eq!(told, [format!("users/{}", ids[1]), format!("users/{}", ids[0])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_too_large_go_out_by_themselves_once_the_limit_is_raised() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let tenants = [service.create_tenant("acme", "okta").await, service.create_tenant("beta", "okta").await];
    published(&service, &nats, "acme").await;
    published(&service, &nats, "beta").await;
    let context = jetstream::new(nats.connect().await);
    let made = context.get_stream(EVENTS).await.unwrap().cached_info().config.clone();
    let lowered = stream::Config { max_message_size: 100, ..made.clone() };
    context.update_stream(lowered).await.unwrap();
    for tenant in &tenants {
        tenant.user("alice@example.com").await;
        let waits = await_reason(&service, &tenant.name, EVENTS, "outbox_message_too_large").await;
        assert_eq!(waits["state"], "waiting", "{waits}");
    }
    context.update_stream(made).await.unwrap();
    for tenant in &tenants {
        published(&service, &nats, &tenant.name).await;
        assert_contiguous(&held(&nats, EVENTS, &tenant.name).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_altered_or_removed_while_nobody_writes_is_noticed() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let context = jetstream::new(nats.connect().await);
    let mut config = context.get_stream(EVENTS).await.unwrap().cached_info().config.clone();
    config.discard = stream::DiscardPolicy::Old;
    context.update_stream(config).await.unwrap();
    await_reason(&service, "acme", EVENTS, "jetstream_stream_differs").await;
    context.delete_stream(EVENTS).await.unwrap();
    eventually("the stream to be filled again", || async {
        let events = held(&nats, EVENTS, "acme").await;
        (events.len() as u64 == head(&service, "acme").await).then_some(())
    })
    .await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_setting_that_loses_or_moves_messages_is_accepted() {
    type Change = fn(&mut stream::Config);
    let cases: [(&str, Change); 8] = [
        ("subjects", |config| config.subjects = vec!["muster.v1.acme.events.>".to_owned()]),
        ("subjects", |config| config.subjects.push("elsewhere.>".to_owned())),
        ("discard", |config| config.discard = stream::DiscardPolicy::Old),
        ("retention", |config| config.retention = stream::RetentionPolicy::WorkQueue),
        ("retention", |config| config.retention = stream::RetentionPolicy::Interest),
        ("acknowledge", |config| config.no_ack = true),
        ("for each subject", |config| config.max_messages_per_subject = 1),
        ("transform", |config| {
            config.subject_transform = Some(stream::SubjectTransform {
                source: "muster.v1.*.events.>".to_owned(),
                destination: "elsewhere.{{wildcard(1)}}.>".to_owned(),
            });
        }),
    ];
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    for (wrong, change) in cases {
        context.delete_stream(EVENTS).await.unwrap();
        let mut config = stream::Config {
            name: EVENTS.to_owned(),
            subjects: vec!["muster.v1.*.events.>".to_owned()],
            discard: stream::DiscardPolicy::New,
            ..stream::Config::default()
        };
        change(&mut config);
        // Muster may have made it first.
        while context.create_stream(config.clone()).await.is_err() {
            context.delete_stream(EVENTS).await.unwrap();
        }
        let status = eventually(&format!("`{wrong}` to be named"), || async {
            let status = status(&service, "acme", EVENTS).await;
            let reason = status["reason"].as_str()?.to_owned();
            (reason.starts_with("jetstream_stream_differs: ") && reason.contains(wrong)).then_some(status)
        })
        .await;
        assert_eq!(status["state"], "halted");
        await_state(&service, "acme", DEPROVISIONING, "live").await;
    }
    context.delete_stream(EVENTS).await.unwrap();
    eventually("the stream to be filled again", || async {
        (held(&nats, EVENTS, "acme").await.len() as u64 == head(&service, "acme").await).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_somebody_else_that_takes_our_subjects_is_named() {
    let nats = Nats::start().await;
    let context = jetstream::new(nats.connect().await);
    let everything = stream::Config {
        name: "EVERYTHING".to_owned(),
        subjects: vec!["muster.>".to_owned()],
        ..stream::Config::default()
    };
    context.create_stream(everything).await.unwrap();
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    for name in [EVENTS, DEPROVISIONING] {
        let halted = await_reason(&service, "acme", name, "jetstream_stream_refused").await;
        assert_eq!(halted["state"], "halted");
        assert!(halted["reason"].as_str().unwrap().contains("overlap"), "{halted}");
    }
    context.delete_stream("EVERYTHING").await.unwrap();
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_nats_does_not_let_publish_holds_up_no_other() {
    let permissions = "authorization { users: [{ user: muster, password: p, permissions: { publish: { \
                       deny: [\"muster.v1.acme.>\"] } } }, { user: reader, password: p }] }";
    let nats = Nats::start_with(permissions).await;
    let service = service(&format!("nats://muster:p@127.0.0.1:{}", nats.port)).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    acme.user("alice@example.com").await;
    beta.user("bob@example.com").await;
    let waiting = eventually("acme alone to wait", || async {
        beta.user(&format!("{}@example.com", head(&service, "beta").await)).await;
        let acme = status(&service, "acme", EVENTS).await;
        let beta = status(&service, "beta", EVENTS).await;
        (acme["reason"].is_string() && beta["state"] == "live" && beta["lag_events"] == 0).then_some(acme)
    })
    .await;
    assert!(waiting["reason"].as_str().unwrap().contains("Permissions Violation"), "{waiting}");
}
