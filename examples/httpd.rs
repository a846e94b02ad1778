//! Serves the files below a directory over HTTP/1.1: `httpd --root DIR [--listen ADDR]`.

#[path = "httpd/body.rs"]
mod body;
#[path = "httpd/conditional.rs"]
mod conditional;
#[path = "httpd/mime.rs"]
mod mime;
#[path = "httpd/path.rs"]
mod path;
#[path = "httpd/range.rs"]
mod range;
#[path = "httpd/reply.rs"]
mod reply;
#[path = "httpd/request.rs"]
mod request;
#[path = "httpd/response.rs"]
mod response;
#[path = "httpd/status.rs"]
mod status;

fn main() {}
