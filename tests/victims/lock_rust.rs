// SPDX-License-Identifier: MIT
// What Rust's library waits with: the main thread sees another one asleep in each, then lets it go
// on. All of it are futexes by syscall(). The last line is how many waits there were.
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::Duration;

extern "C" {
    fn gettid() -> i32;
}

fn asleep(tid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().starts_with(" S")
}

fn see_wait<W, R>(wait: W, release: R)
where
    W: FnOnce() + Send + 'static,
    R: FnOnce(&thread::Thread),
{
    let waiter = Arc::new(AtomicU32::new(0));
    let tid = waiter.clone();
    let thread = thread::spawn(move || {
        tid.store(unsafe { gettid() } as u32, Ordering::Release);
        wait();
    });
    while waiter.load(Ordering::Acquire) == 0 || !asleep(waiter.load(Ordering::Acquire)) {
        thread::sleep(Duration::from_micros(500));
    }
    release(thread.thread());
    thread.join().unwrap();
}

#[inline(never)]
fn want_mutex(mutex: &Mutex<u32>) {
    *mutex.lock().unwrap() += 1;
}

fn main() {
    let mutex = Arc::new(Mutex::new(0));
    let other = mutex.clone();
    let guard = mutex.lock().unwrap();
    see_wait(move || want_mutex(&other), move |_| drop(guard));

    let rwlock = Arc::new(RwLock::new(0));
    let other = rwlock.clone();
    let guard = rwlock.write().unwrap();
    see_wait(move || assert_eq!(*other.read().unwrap(), 0), move |_| drop(guard));
    let other = rwlock.clone();
    let guard = rwlock.read().unwrap();
    see_wait(move || *other.write().unwrap() += 1, move |_| drop(guard));

    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let other = pair.clone();
    see_wait(
        move || {
            let mut go = other.0.lock().unwrap();
            while !*go {
                go = other.1.wait(go).unwrap();
            }
        },
        |_| {
            *pair.0.lock().unwrap() = true;
            pair.1.notify_one();
        },
    );
    let timed = pair.0.lock().unwrap();
    assert!(pair.1.wait_timeout(timed, Duration::from_millis(2)).unwrap().1.timed_out());

    let once = Arc::new(Once::new());
    let may_end = Arc::new(AtomicBool::new(false));
    let (first, end, running) = (once.clone(), may_end.clone(), Arc::new(AtomicBool::new(false)));
    let runs = running.clone();
    let runner = thread::spawn(move || {
        first.call_once(|| {
            runs.store(true, Ordering::Release);
            while !end.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(1));
            }
        })
    });
    while !running.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(1));
    }
    see_wait(move || once.call_once(|| panic!()), |_| may_end.store(true, Ordering::Release));
    runner.join().unwrap();

    let (sender, receiver) = mpsc::channel();
    see_wait(move || assert_eq!(receiver.recv(), Ok(7)), |_| sender.send(7).unwrap());

    let go = Arc::new(AtomicBool::new(false));
    let other = go.clone();
    see_wait(
        move || {
            while !other.load(Ordering::Acquire) {
                thread::park();
            }
        },
        |thread| {
            go.store(true, Ordering::Release);
            thread.unpark();
        },
    );
    println!("{{\"locks.totals.other_waits\": 8, \"threads.created\": 8, \"threads.unjoined\": 0}}");
}
