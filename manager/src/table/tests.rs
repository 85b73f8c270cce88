//! The table against a model: random histories of clients, tickets and calls.

use proptest::prelude::*;

use super::*;

const A: Holder = Holder::Client(ClientId(1));

#[test]
fn an_object_lives_as_long_as_somebody_refers_to_it() {
    let mut table: Table<&str, ()> = Table::new();
    let id = table.insert("value", A, false);
    assert!(table.hold(id, Holder::Ticket));
    assert!(table.release(id, A).values.is_empty());
    assert_eq!(table.release(id, Holder::Ticket).values, ["value"]);
    assert!(!table.hold(id, A));
    assert_eq!(table.count(), (0, 0));
}

#[test]
fn a_call_that_waits_is_served_though_the_last_reference_is_gone() {
    let mut table: Table<&str, u8> = Table::new();
    let id = table.insert("value", A, false);
    assert_eq!(table.arrive(id, Mode::Exclusive, 1), Arrival::Enters(1));
    assert_eq!(table.arrive(id, Mode::Exclusive, 2), Arrival::Waits);
    assert!(table.release(id, A).values.is_empty());
    let mut ready = VecDeque::new();
    assert!(table.leave(id, true, &mut ready).values.is_empty());
    assert_eq!(ready, [2]);
    assert_eq!(table.leave(id, true, &mut ready).values, ["value"]);
}

#[test]
fn who_is_parked_on_an_object_that_nobody_refers_to_is_told() {
    let mut table: Table<&str, u8> = Table::new();
    let id = table.insert("value", A, true);
    assert_eq!(table.arrive(id, Mode::Exclusive, 1), Arrival::Enters(1));
    table.park(id, 1);
    table.leave(id, false, &mut VecDeque::new());
    assert_eq!(table.with_exit_hooks(), [id]);
    let released = table.release(id, A);
    assert_eq!((released.values, released.calls), (vec!["value"], vec![1]));
    assert!(table.with_exit_hooks().is_empty());
}

#[test]
fn a_reference_that_was_never_had_cannot_be_given_back() {
    let mut table: Table<&str, ()> = Table::new();
    let id = table.insert("value", A, false);
    assert!(table.release(id, Holder::Client(ClientId(9))).values.is_empty());
    assert_eq!(table.references(id), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Make(u64),
    Hold(usize, u64),
    Release(usize, u64),
    Send(usize),
    Lose(usize),
    Die(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (object, client) = (0..6_usize, 1..4_u64);
    prop_oneof![
        client.clone().prop_map(Step::Make),
        (object.clone(), client.clone()).prop_map(|(o, c)| Step::Hold(o, c)),
        (object.clone(), client.clone()).prop_map(|(o, c)| Step::Release(o, c)),
        object.clone().prop_map(Step::Send),
        object.prop_map(Step::Lose),
        client.prop_map(Step::Die),
    ]
}

proptest! {
    /// References are counted exactly as a plain list of them would be, and nothing is left when all are gone.
    #[test]
    fn references_are_exact(steps in prop::collection::vec(step(), 1..120)) {
        let mut table: Table<usize, (u64, usize)> = Table::new();
        let mut ids = Vec::new();
        let mut model: Vec<(usize, Holder)> = Vec::new();
        for step in steps {
            let lives = |model: &[(usize, Holder)], object: usize| model.iter().any(|(one, _)| *one == object);
            match step {
                Step::Make(client) => {
                    let holder = Holder::Client(ClientId(client));
                    model.push((ids.len(), holder));
                    ids.push(table.insert(ids.len(), holder, false));
                }
                Step::Hold(object, _) | Step::Send(object) if object < ids.len() => {
                    let holder = if let Step::Hold(_, client) = step { Holder::Client(ClientId(client)) } else { Holder::Ticket };
                    prop_assert_eq!(table.hold(ids[object], holder), lives(&model, object));
                    if lives(&model, object) {
                        model.push((object, holder));
                    }
                }
                Step::Release(object, _) | Step::Lose(object) if object < ids.len() => {
                    let holder = if let Step::Release(_, client) = step { Holder::Client(ClientId(client)) } else { Holder::Ticket };
                    let had = model.iter().position(|one| *one == (object, holder));
                    had.map(|at| model.remove(at));
                    let freed = table.release(ids[object], holder).values;
                    prop_assert_eq!(!freed.is_empty(), had.is_some() && !lives(&model, object));
                }
                Step::Die(client) => {
                    model.retain(|(_, holder)| *holder != Holder::Client(ClientId(client)));
                    table.remove_client(ClientId(client), |_| false, &mut VecDeque::new());
                }
                _ => {}
            }
            let alive: BTreeSet<usize> = model.iter().map(|(object, _)| *object).collect();
            prop_assert_eq!(table.count(), (alive.len(), model.len() as u64));
        }
        for (object, holder) in model {
            table.release(ids[object], holder);
        }
        prop_assert_eq!(table.count(), (0, 0));
    }
}
