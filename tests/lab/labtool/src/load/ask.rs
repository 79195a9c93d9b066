//! The requests: half on held connections, a fifth with a body that comes back, one in a hundred slow.

use crate::http::Message;

/// One request of the constant load. Which one it is follows from its number, so that every run sends the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ask {
    pub number: u32,
    pub kind: Kind,
    pub wire: Wire,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Get,
    /// A body, which must come back as it is.
    Post,
    /// Answered after a second: under way while a container is replaced.
    Slow,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wire {
    /// One of the connections that are held open.
    Held,
    /// A connection of its own, closed afterwards.
    New,
}

impl Ask {
    pub fn number(number: u32) -> Self {
        let kind = match number % 200 {
            50 | 151 => Kind::Slow,
            _ if number % 5 == 2 => Kind::Post,
            _ => Kind::Get,
        };
        let wire = if number.is_multiple_of(2) { Wire::Held } else { Wire::New };
        Self { number, kind, wire }
    }

    /// 16 bytes to 4 KiB that differ from request to request.
    fn body(self) -> Vec<u8> {
        let length = 16 + self.number.wrapping_mul(37) % 4080;
        let stamp = format!("request {} ", self.number);
        stamp.bytes().cycle().take(length as usize).collect()
    }

    pub fn bytes(self, host: &str) -> Vec<u8> {
        let (line, body) = match self.kind {
            Kind::Get => ("GET /", Vec::new()),
            Kind::Slow => ("GET /slow", Vec::new()),
            Kind::Post => ("POST /", self.body()),
        };
        let connection = match self.wire {
            Wire::Held => "keep-alive",
            Wire::New => "close",
        };
        let length = match self.kind {
            Kind::Post => format!("Content-Length: {}\r\n", body.len()),
            Kind::Get | Kind::Slow => String::new(),
        };
        let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n{length}\r\n");
        [head.as_bytes(), &body].concat()
    }

    /// The version that answered, or why the answer is wrong.
    pub fn judge(self, answer: &Message) -> Result<String, String> {
        let (code, reason) = &answer.line;
        if code != "200" {
            return Err(format!("{code} {reason}"));
        }
        let version = answer.header("x-version").ok_or("200 without X-Version")?;
        let is_right = match self.kind {
            Kind::Post => answer.body == self.body(),
            Kind::Get | Kind::Slow => answer.body.starts_with(version.as_bytes()),
        };
        if is_right { Ok(version.to_owned()) } else { Err("200 with a wrong body".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_as_promised() {
        let asks: Vec<Ask> = (0..1000).map(Ask::number).collect();
        let count = |wanted: &dyn Fn(&Ask) -> bool| asks.iter().filter(|ask| wanted(ask)).count();
        assert_eq!(count(&|ask| ask.wire == Wire::Held), 500);
        assert_eq!(count(&|ask| ask.kind == Kind::Post), 200);
        assert_eq!(count(&|ask| ask.kind == Kind::Slow), 10);
        assert_eq!(count(&|ask| ask.kind == Kind::Slow && ask.wire == Wire::Held), 5);
    }

    #[test]
    fn a_body_has_to_come_back() {
        let ask = Ask::number(2);
        let bytes = ask.bytes("a");
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert_eq!(head, "POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 90");
        assert!(body.starts_with("request 2 request 2 "));
    }
}
