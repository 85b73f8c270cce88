//! The managed dict and list against a list of pairs in their order, a `HashMap` and a `Vec`, under random operations from several processes.

use std::collections::HashMap;
use std::sync::OnceLock;

use procession_channels::{Connection, pipe};
use procession_manager::{Dict, List, Manager};
use procession_process::Process;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    Insert(u8, u32),
    Remove(u8),
    Get(u8),
    Default(u8, u32),
    Swap(u8, Option<u32>, Option<u32>),
    Extend(Vec<(u8, u32)>),
    Pop,
    Entries,
    Len,
    Push(u32),
    Put(usize, u32),
    Cut(usize),
    Set(usize, u32),
    Splice(usize, usize, Vec<u32>),
    Slice(usize, usize),
    Reverse,
    Sort,
    Find(u32),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Outcome {
    Value(Option<u32>),
    Swapped(Result<(), Option<u32>>),
    Count(usize),
    Flag(bool),
    Place(Option<usize>),
    Items(Vec<u32>),
    Entries(Vec<(u8, u32)>),
    Done,
}

fn step() -> impl Strategy<Value = Step> {
    let (key, value, index) = (0..6_u8, 0..4_u32, 0..7_usize);
    let maybe = prop::option::of(0..4_u32);
    prop_oneof![
        (key.clone(), value.clone()).prop_map(|(k, v)| Step::Insert(k, v)),
        key.clone().prop_map(Step::Remove),
        key.clone().prop_map(Step::Get),
        (key.clone(), value.clone()).prop_map(|(k, v)| Step::Default(k, v)),
        (key.clone(), maybe.clone(), maybe).prop_map(|(k, a, b)| Step::Swap(k, a, b)),
        prop::collection::vec((key, value.clone()), 0..4).prop_map(Step::Extend),
        Just(Step::Pop),
        Just(Step::Entries),
        Just(Step::Len),
        value.clone().prop_map(Step::Push),
        (index.clone(), value.clone()).prop_map(|(i, v)| Step::Put(i, v)),
        index.clone().prop_map(Step::Cut),
        (index.clone(), value.clone()).prop_map(|(i, v)| Step::Set(i, v)),
        (index.clone(), index.clone(), prop::collection::vec(0..4_u32, 0..3))
            .prop_map(|(a, b, v)| Step::Splice(a, b, v)),
        (index.clone(), index).prop_map(|(a, b)| Step::Slice(a, b)),
        Just(Step::Reverse),
        Just(Step::Sort),
        value.prop_map(Step::Find),
    ]
}

/// What the managed objects do.
fn perform(dict: &Dict<u8, u32>, list: &List<u32>, step: Step) -> Outcome {
    match step {
        Step::Insert(key, value) => Outcome::Value(dict.insert(key, value).unwrap()),
        Step::Remove(key) => Outcome::Value(dict.remove(&key).unwrap()),
        Step::Get(key) => Outcome::Value(dict.get(&key).unwrap()),
        Step::Default(key, value) => Outcome::Value(Some(dict.get_or_insert(key, value).unwrap())),
        Step::Swap(key, old, new) => Outcome::Swapped(dict.compare_and_swap(&key, old, new).unwrap()),
        Step::Extend(entries) => {
            dict.extend(entries).unwrap();
            Outcome::Done
        }
        Step::Pop => Outcome::Entries(dict.pop_item().unwrap().into_iter().collect()),
        Step::Entries => {
            let (keys, values) = (dict.keys().unwrap(), dict.values().unwrap());
            Outcome::Entries(keys.into_iter().zip(values).collect())
        }
        Step::Len => Outcome::Count(dict.len().unwrap() + list.len().unwrap()),
        Step::Push(item) => {
            list.push(item).unwrap();
            Outcome::Done
        }
        Step::Put(index, item) => Outcome::Flag(list.insert(index, item).unwrap()),
        Step::Cut(index) => Outcome::Value(list.remove(index).unwrap()),
        Step::Set(index, item) => Outcome::Value(list.set(index, item).unwrap()),
        Step::Splice(start, end, items) => Outcome::Items(list.splice(start, end, items).unwrap()),
        Step::Slice(start, end) => Outcome::Items(list.slice(start, end).unwrap()),
        Step::Reverse => {
            list.reverse().unwrap();
            Outcome::Done
        }
        Step::Sort => {
            list.sort().unwrap();
            Outcome::Done
        }
        Step::Find(item) => Outcome::Place(list.index_of(&item).unwrap()),
    }
}

/// A dict as its order and its contents.
#[derive(Default)]
struct Model {
    keys: Vec<u8>,
    map: HashMap<u8, u32>,
}

impl Model {
    fn insert(&mut self, key: u8, value: u32) -> Option<u32> {
        let old = self.map.insert(key, value);
        self.keys.extend(old.is_none().then_some(key));
        old
    }

    fn remove(&mut self, key: u8) -> Option<u32> {
        self.keys.retain(|one| *one != key);
        self.map.remove(&key)
    }

    fn entries(&self) -> Vec<(u8, u32)> {
        self.keys.iter().map(|key| (*key, self.map[key])).collect()
    }
}

/// What the plain ones do.
fn model(dict: &mut Model, list: &mut Vec<u32>, step: Step) -> Outcome {
    match step {
        Step::Insert(key, value) => Outcome::Value(dict.insert(key, value)),
        Step::Remove(key) => Outcome::Value(dict.remove(key)),
        Step::Get(key) => Outcome::Value(dict.map.get(&key).copied()),
        Step::Default(key, value) => {
            let old = dict.map.get(&key).copied();
            Outcome::Value(Some(old.unwrap_or_else(|| {
                dict.insert(key, value);
                value
            })))
        }
        Step::Swap(key, old, new) if dict.map.get(&key).copied() == old => {
            match new {
                Some(new) => drop(dict.insert(key, new)),
                None => drop(dict.remove(key)),
            }
            Outcome::Swapped(Ok(()))
        }
        Step::Swap(key, ..) => Outcome::Swapped(Err(dict.map.get(&key).copied())),
        Step::Extend(entries) => {
            entries.into_iter().for_each(|(key, value)| {
                dict.insert(key, value);
            });
            Outcome::Done
        }
        Step::Pop => {
            let last = dict.entries().pop();
            last.and_then(|(key, _)| dict.remove(key));
            Outcome::Entries(last.into_iter().collect())
        }
        Step::Entries => Outcome::Entries(dict.entries()),
        Step::Len => Outcome::Count(dict.map.len() + list.len()),
        Step::Push(item) => {
            list.push(item);
            Outcome::Done
        }
        Step::Put(index, item) if index <= list.len() => {
            list.insert(index, item);
            Outcome::Flag(true)
        }
        Step::Put(..) => Outcome::Flag(false),
        Step::Cut(index) => Outcome::Value((index < list.len()).then(|| list.remove(index))),
        Step::Set(index, item) => Outcome::Value(list.get_mut(index).map(|place| std::mem::replace(place, item))),
        Step::Splice(start, end, items) => {
            let end = end.min(list.len());
            Outcome::Items(list.splice(start.min(end)..end, items).collect())
        }
        Step::Slice(start, end) => {
            Outcome::Items(list.iter().copied().skip(start).take(end.saturating_sub(start)).collect())
        }
        Step::Reverse => {
            list.reverse();
            Outcome::Done
        }
        Step::Sort => {
            list.sort_unstable();
            Outcome::Done
        }
        Step::Find(item) => Outcome::Place(list.iter().position(|one| *one == item)),
    }
}

type Objects = (Dict<u8, u32>, List<u32>);

/// A manager, its objects, and the ways to the processes that use them.
type Crew = (Manager, Objects, Vec<Connection<Step, Outcome>>);

/// A process that does the steps that it is told.
fn work(end: Connection<Outcome, Step>, (dict, list): Objects) {
    while let Ok(step) = end.recv() {
        end.send(perform(&dict, &list, step)).unwrap();
    }
}

/// The managed objects, and three processes that use them.
fn crew() -> &'static Crew {
    static CREW: OnceLock<Crew> = OnceLock::new();
    CREW.get_or_init(|| {
        let manager = Manager::start().unwrap();
        let objects: Objects = (manager.dict().unwrap(), manager.list().unwrap());
        let start = |_| {
            let (here, there) = pipe().unwrap();
            let worker = Process::builder().daemon(true);
            worker.spawn(|(end, objects)| work(end, objects), (there, objects.clone())).unwrap();
            here
        };
        let ends = (0..3).map(start).collect();
        (manager, objects, ends)
    })
}

proptest! {
    #[test]
    fn dict_and_list_are_what_their_models_are(steps in prop::collection::vec((0..4_usize, step()), 1..40)) {
        let (_, (dict, list), ends) = crew();
        dict.clear().unwrap();
        list.clear().unwrap();
        let (mut map, mut plain) = (Model::default(), Vec::new());
        for (who, step) in steps {
            let outcome = match ends.get(who) {
                Some(end) => {
                    end.send(step.clone()).unwrap();
                    end.recv().unwrap()
                }
                None => perform(dict, list, step.clone()),
            };
            prop_assert_eq!(outcome, model(&mut map, &mut plain, step));
        }
        prop_assert_eq!(dict.snapshot().unwrap(), map.map.clone());
        prop_assert_eq!(dict.iter().unwrap().collect::<Vec<_>>(), map.entries());
        prop_assert_eq!(list.to_vec().unwrap(), plain);
    }
}
