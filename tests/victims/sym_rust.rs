// SPDX-License-Identifier: MIT
// Names of Rust: generics, traits, closures.
struct Stack<T> {
    items: Vec<T>,
}

trait Shape {
    fn area(&self) -> f64;
}

struct Square(f64);

impl Shape for Square {
    #[inline(never)]
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

impl<T: Clone> Stack<T> {
    #[inline(never)]
    fn push_item(&mut self, item: T) -> usize {
        self.items.push(item);
        self.items.len()
    }
}

mod inner {
    #[inline(never)]
    pub fn run_twice<F: Fn(u32) -> u32>(f: F) -> u32 {
        f(3) + f(4)
    }
}

fn main() {
    let n = std::env::args().count() as u32;
    let mut stack = Stack { items: vec![] };
    stack.push_item(n.to_string());
    println!("{} {}", inner::run_twice(|x| x * n), Square(n as f64).area());
}
