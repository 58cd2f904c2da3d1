//! How far publishing has come: what a tenant goes on from when the service, its positions, the broker's stream or its own
//! log were lost, and what is recorded of what the broker accepted.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_its_positions_a_tenant_goes_on_behind_what_the_broker_holds() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    published(&service, &nats, "acme").await;
    let folder = service.tenant_folder("acme");
    service.restarted(|_| remove_database(&folder, "operations.db")).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    set_active(&acme, &alice, true).await;
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
    assert_eq!(held(&nats, DEPROVISIONING, "acme").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_positions_make_nothing_be_sent_or_recorded_again() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    published(&service, &nats, "acme").await;
    let folder = service.tenant_folder("acme");
    let old = service.folder().join("old");
    service.restarted(|_| copy_folder(&folder, &old)).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    set_active(&acme, &alice, false).await;
    published(&service, &nats, "acme").await;
    service
        .restarted(|_| {
            remove_database(&folder, "operations.db");
            std::fs::copy(old.join("operations.db"), folder.join("operations.db")).unwrap();
        })
        .await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    set_active(&acme, &alice, true).await;
    published(&service, &nats, "acme").await;
    assert_contiguous(&held(&nats, EVENTS, "acme").await);
    let told = revisions(&held(&nats, DEPROVISIONING, "acme").await);
    assert_eq!(told.len(), 2);
    let evidence = evidence(&service, "acme").await;
    assert_eq!(evidence, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_knows_how_far_publishing_was_a_person_is_asked() {
    let nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    acme.user("alice@example.com").await;
    let bob = beta.user("bob@example.com").await;
    set_active(&beta, &bob, false).await;
    published(&service, &nats, "acme").await;
    published(&service, &nats, "beta").await;
    let folder = service.tenant_folder("acme");
    let context = jetstream::new(nats.connect().await);
    let events = context.get_stream(EVENTS).await.unwrap();
    events.purge().filter("muster.v1.acme.>").await.unwrap();
    service.restarted(|_| remove_database(&folder, "operations.db")).await;

    let asked = await_reason(&service, "acme", EVENTS, "outbox_position_unknown").await;
    assert_eq!(asked["state"], "waiting");
    assert!(
        asked["reason"].as_str().unwrap().contains("`muster outbox resume --tenant acme --from "),
        "{asked}"
    );
    assert_eq!(await_state(&service, "beta", EVENTS, "live").await["lag_events"], 0, "the others go on");
    assert_eq!(resume(&service, "beta", json!("head")).await.status, 409, "it is not set aside");
    let beyond = head(&service, "acme").await + 1;
    assert_eq!(resume(&service, "acme", json!(beyond)).await.status, 409);
    forget_messages(&nats, EVENTS).await;
    resume(&service, "acme", json!(2)).await.expect(200);
    published(&service, &nats, "acme").await;
    let last = head(&service, "acme").await;
    assert_eq!(revisions(&held(&nats, EVENTS, "acme").await), (3..=last).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jetstream_stream_that_was_lost_is_made_and_filled_again() {
    let nats = Nats::start().await;
    let service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let beta = service.create_tenant("beta", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    beta.user("bob@example.com").await;
    published(&service, &nats, "acme").await;
    published(&service, &nats, "beta").await;
    let context = jetstream::new(nats.connect().await);
    for name in [EVENTS, DEPROVISIONING] {
        context.delete_stream(name).await.unwrap();
    }
    set_active(&acme, &alice, true).await;
    for tenant in ["acme", "beta"] {
        eventually("everything to be published again", || async {
            let events = held(&nats, EVENTS, tenant).await;
            (events.len() as u64 == head(&service, tenant).await).then_some(())
        })
        .await;
        assert_contiguous(&held(&nats, EVENTS, tenant).await);
    }
    let told = eventually("both messages", || async {
        Some(held(&nats, DEPROVISIONING, "acme").await).filter(|told| told.len() == 2)
    })
    .await;
    published(&service, &nats, "acme").await;
    let evidence = evidence(&service, "acme").await;
    assert_eq!(evidence, revisions(&told), "each is in evidence once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lacks_what_was_published_halts_its_tenant_alone_until_an_operator_resumes_it() {
    for keep_operations in [true, false] {
        let nats = Nats::start().await;
        let mut service = service(&nats.url()).await;
        let acme = service.create_tenant("acme", "okta").await;
        let beta = service.create_tenant("beta", "okta").await;
        acme.user("alice@example.com").await;
        published(&service, &nats, "acme").await;
        let (folder, old) = (service.tenant_folder("acme"), service.folder().join("old"));
        service.restarted(|_| copy_folder(&folder, &old)).await;
        let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
        for name in ["bob", "carol", "dave"] {
            acme.user(&format!("{name}@example.com")).await;
        }
        published(&service, &nats, "acme").await;
        let published_before = held(&nats, EVENTS, "acme").await.len();
        service
            .restarted(|_| {
                let operations = std::fs::read(folder.join("operations.db")).unwrap();
                std::fs::remove_dir_all(&folder).unwrap();
                copy_folder(&old, &folder);
                if keep_operations {
                    remove_database(&folder, "operations.db");
                    std::fs::write(folder.join("operations.db"), operations).unwrap();
                }
            })
            .await;
        let halted = await_reason(&service, "acme", EVENTS, "outbox_ahead_of_log").await;
        assert_eq!(halted["state"], "halted");
        let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
        acme.user("erin@example.com").await;
        let beta = Tenant { base_url: rebased(&beta, &service), ..beta };
        beta.user("frank@example.com").await;
        published(&service, &nats, "beta").await;
        assert_eq!(held(&nats, EVENTS, "acme").await.len(), published_before, "nothing went out");

        let before = head(&service, "acme").await;
        resume(&service, "acme", json!("head")).await.expect(200);
        await_state(&service, "acme", EVENTS, "live").await;
        acme.user("grace@example.com").await;
        await_reason(&service, "acme", EVENTS, "outbox_message_known").await;
        beta.user("heidi@example.com").await;
        published(&service, &nats, "beta").await;
        forget_messages(&nats, EVENTS).await;
        published(&service, &nats, "acme").await;
        let all = held(&nats, EVENTS, "acme").await;
        assert_eq!(revisions(&all[published_before..]), [before + 1]);
        service.restarted(|_| ()).await;
        await_state(&service, "acme", EVENTS, "live").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acceptance_that_could_not_be_recorded_is_recorded_by_the_next_start() {
    let mut nats = Nats::start().await;
    nats.kill();
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let mut service = service_with(&nats.url(), sources).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    // A clock that stands far behind the log lets nothing be recorded, but everything be published.
    let minute = Duration::from_mins(1);
    clock.set(Timestamp(ManualClock::START.0 - 60_000_000));
    nats.resume().await;
    eventually("the message", || async { held(&nats, DEPROVISIONING, "acme").await.pop() }).await;
    service.restarted(|_| clock.advance(2 * minute)).await;
    published(&service, &nats, "acme").await;
    let told = held(&nats, DEPROVISIONING, "acme").await;
    let evidence: Vec<_> = accepted(&service, "acme").await;
    assert_eq!(evidence, [(told[0].revision(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn acceptance_that_could_not_be_recorded_is_recorded_when_that_works_again() {
    let mut nats = Nats::start().await;
    nats.kill();
    let clock = Arc::new(ManualClock::default());
    let sources = Sources { clock: Arc::clone(&clock) as _, ..Sources::default() };
    let service = service_with(&nats.url(), sources).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    clock.set(Timestamp(ManualClock::START.0 - 60_000_000));
    nats.resume().await;
    eventually("the message", || async { held(&nats, DEPROVISIONING, "acme").await.pop() }).await;
    clock.set(ManualClock::START);
    published(&service, &nats, "acme").await;
    set_active(&acme, &alice, true).await;
    published(&service, &nats, "acme").await;
    let told = revisions(&held(&nats, DEPROVISIONING, "acme").await);
    assert_eq!(evidence(&service, "acme").await, told, "each is in evidence once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_halts_both_streams_also_when_it_has_grown_beyond_what_was_published() {
    let mut nats = Nats::start().await;
    let mut service = service(&nats.url()).await;
    let acme = service.create_tenant("acme", "okta").await;
    let alice = acme.user("alice@example.com").await;
    set_active(&acme, &alice, false).await;
    published(&service, &nats, "acme").await;
    let (folder, old) = (service.tenant_folder("acme"), service.folder().join("old"));
    service.restarted(|_| copy_folder(&folder, &old)).await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    for name in ["bob", "carol", "dave"] {
        acme.user(&format!("{name}@example.com")).await;
    }
    published(&service, &nats, "acme").await;
    // The last deprovisioning message is one that the older log has too: it tells nothing.
    nats.kill();
    service
        .restarted(|_| {
            for name in ["log.db", "keys.db", "current.db", "history.db"] {
                remove_database(&folder, name);
                std::fs::copy(old.join(name), folder.join(name)).unwrap();
            }
        })
        .await;
    let acme = Tenant { base_url: rebased(&acme, &service), ..acme };
    for number in 0..10 {
        let leaver = acme.user(&format!("leaver{number}@example.com")).await;
        set_active(&acme, &leaver, false).await;
    }
    nats.resume().await;
    for name in [EVENTS, DEPROVISIONING] {
        let halted = await_reason(&service, "acme", name, "outbox_ahead_of_log").await;
        assert_eq!(halted["state"], "halted");
    }
}
