//! The server as the tower service under kube's client: HTTP in, HTTP out.

use std::convert::Infallible;
use std::future::Future;
use std::io::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request as HttpRequest, Response as HttpResponse, header};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::Value;
use tower_service::Service;

use crate::discovery;
use crate::faults::{Fault, Faults};
use crate::request::{Request, Target, Verb, read_query};
use crate::shared::{AnswerBody, Shared, unreachable};
use crate::status::ApiError;
use crate::verbs::{self, Answer};
use crate::watch;

/// One client's way to the server.
#[derive(Clone, Debug)]
pub struct ApiService {
    shared: Arc<Shared>,
    faults: Faults,
    agent: String,
}

impl ApiService {
    pub(crate) fn new(shared: Arc<Shared>, faults: Faults, agent: &str) -> ApiService {
        ApiService { shared, faults, agent: agent.to_owned() }
    }

    async fn serve(self, request: HttpRequest<Body>) -> Result<HttpResponse<AnswerBody>, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(Error::other)?.to_bytes();
        if self.faults.has_crashed() {
            return Err(unreachable());
        }
        let path = head.uri.path().to_owned();
        let target = match Target::read(&path) {
            Some(target) if !target.plural.is_empty() => target,
            _ => {
                let found = discovery::answer(&self.shared.world(), &path);
                return Ok(found.map_or_else(
                    || respond_error(&verbs::scope::no_such_page()),
                    |body| respond(&Answer::ok(body)),
                ));
            }
        };
        let query = read_query(head.uri.query().unwrap_or_default());
        let is_watch = matches!(query.get("watch").map(String::as_str), Some("true" | "1"));
        let Some(verb) = Verb::of(&head.method, target.name.is_empty(), is_watch) else {
            return Ok(respond_error(&ApiError::method_not_allowed()));
        };
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let user_agent = text(header::USER_AGENT).unwrap_or(&self.agent).to_owned();
        let content_type = content_type.split(';').next().unwrap_or_default().to_owned();
        let body = if body.is_empty() {
            Value::Null
        } else {
            match serde_json::from_slice(&body) {
                Ok(body) => body,
                Err(error) => {
                    let why = format!("the object provided is unrecognized: {error}");
                    return Ok(respond_error(&ApiError::bad_request(why)));
                }
            }
        };
        self.fulfil(Request { verb, target, query, content_type, user_agent, body }).await
    }

    async fn fulfil(self, request: Request) -> Result<HttpResponse<AnswerBody>, Error> {
        let plan = self.faults.plan(&request);
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        match &plan.fault {
            Some(Fault::Unreachable) => return Err(unreachable()),
            Some(Fault::Refuse(error)) => return Ok(respond_error(error)),
            Some(Fault::LoseAnswer | Fault::Delay(_)) | None => {}
        }
        if request.verb == Verb::Watch {
            return Ok(match watch::open(&self.shared, &self.faults, &request) {
                Ok(body) => respond_with(200, body, &[]),
                Err(error) => respond_error(&error),
            });
        }
        let answer = {
            let mut world = self.shared.world();
            let before = world.store.revision();
            let answer = verbs::answer(&mut world, &request);
            let has_changed = world.store.revision() != before;
            if self.faults.done(&plan, has_changed) {
                return Err(unreachable());
            }
            answer
        };
        if plan.fault == Some(Fault::LoseAnswer) {
            return Err(unreachable());
        }
        Ok(answer.map_or_else(|error| respond_error(&error), |answer| respond(&answer)))
    }
}

impl Service<HttpRequest<Body>> for ApiService {
    type Response = HttpResponse<AnswerBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        Box::pin(self.clone().serve(request))
    }
}

fn respond(answer: &Answer) -> HttpResponse<AnswerBody> {
    respond_with(answer.code, whole(answer.body.to_string()), &answer.warnings)
}

fn respond_error(error: &ApiError) -> HttpResponse<AnswerBody> {
    // A page that is not there is said in plain text.
    if error.reason.is_empty() && error.code == 404 {
        return respond_with(404, whole(format!("{}\n", error.message)), &[]);
    }
    respond_with(error.code, whole(error.to_status().to_string()), &[])
}

fn whole(text: String) -> AnswerBody {
    Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn respond_with(code: u16, body: AnswerBody, warnings: &[String]) -> HttpResponse<AnswerBody> {
    let mut response =
        HttpResponse::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    for warning in warnings {
        response = response.header(header::WARNING, format!("299 - {warning:?}"));
    }
    // The code comes from a table and the headers are plain text: they are always good.
    response.body(body).unwrap_or_else(|error| panic!("{code} with {warnings:?}: {error}"))
}
