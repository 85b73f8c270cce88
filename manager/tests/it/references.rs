//! References: none is lost, none is left.

use procession_core::codec;
use procession_manager::{CallError, List, Manager, Proxy};
use procession_process::Process;

use crate::support::{until, until_held};

#[test]
fn clones_count_once_and_drops_give_back() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    let clones: Vec<List<u8>> = (0..100).map(|_| list.clone()).collect();
    until_held(&manager, 1, 1);
    drop((list, clones));
    until_held(&manager, 0, 0);
}

#[test]
fn a_proxy_in_a_message_keeps_its_object_alive() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    list.push(7).unwrap();
    let message = codec::encode(&list).unwrap();
    drop(list);
    until_held(&manager, 1, 1);
    let list: List<u8> = codec::decode(message).unwrap();
    assert_eq!(list, vec![7]);
    until_held(&manager, 1, 1);
}

#[test]
fn a_message_that_nobody_reads_leaves_nothing() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    let messages: Vec<_> = (0..20).map(|_| codec::encode(&list).unwrap()).collect();
    drop(list);
    until_held(&manager, 1, 20);
    drop(messages);
    until_held(&manager, 0, 0);
}

#[test]
fn a_message_that_is_read_twice_is_two_proxies() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    let message = codec::encode(&list).unwrap();
    let copy = message.try_clone().unwrap();
    drop(list);
    let (one, two): (List<u8>, List<u8>) = (codec::decode(message).unwrap(), codec::decode(copy).unwrap());
    drop(one);
    assert_eq!(two.len().unwrap(), 0);
}

#[test]
fn a_proxy_lives_on_in_a_process_that_received_it() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    let (here, there) = procession_channels::pipe::<u8, u8>().unwrap();
    let hold = |(list, end): (List<u8>, procession_channels::Connection<u8, u8>)| {
        end.send(1).unwrap();
        end.recv().unwrap();
        list.push(7).unwrap();
        list.to_vec().unwrap()
    };
    let holder = Process::spawn(hold, (list.clone(), there)).unwrap();
    here.recv().unwrap();
    drop(list);
    until_held(&manager, 1, 1);
    here.send(1).unwrap();
    assert_eq!(holder.join().unwrap(), [7]);
    until_held(&manager, 0, 0);
}

#[test]
fn an_object_that_is_gone_is_an_error() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    // A proxy of another type for the same object.
    let message = codec::encode(&list).unwrap();
    let wrong: Proxy<String> = codec::decode(message).unwrap();
    assert!(matches!(wrong.get(), Err(CallError::WrongType(_))));
    assert!(matches!(wrong.call(|text, ()| text.clear(), ()), Err(CallError::WrongType(_))));
    assert_eq!(list.len().unwrap(), 0);
}

#[test]
fn processes_that_come_and_go_leave_nothing() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u8>().unwrap();
    for _ in 0..30 {
        Process::spawn(|list: List<u8>| list.push(1), list.clone()).unwrap().join().unwrap().unwrap();
    }
    until_held(&manager, 1, 1);
    assert_eq!(list.len().unwrap(), 30);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", manager.child().id())).unwrap().count();
    until("the manager closes what it had for them", || open() < 30);
}
