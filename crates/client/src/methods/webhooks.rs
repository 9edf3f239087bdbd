//! Endpoints of webhooks: how far each is, and steering one.

use serde::{Deserialize, Serialize};

use crate::call::{Call, Effect, Query};
use crate::client::{Answered, Client};
use crate::error::Error;
use crate::records::{Delivery, EndpointRecord};
use crate::requests::DeliveriesQuery;

impl Client {
    /// Every endpoint of the server's configuration, in the order of their names.
    ///
    /// # Errors
    ///
    /// As for every read.
    pub async fn webhooks(&self) -> Result<Vec<EndpointRecord>, Error> {
        #[derive(Deserialize)]
        struct Body {
            endpoints: Vec<EndpointRecord>,
        }
        let body: Body = self
            .read(&Call::get(&["v1", "webhooks"], Query::new()))
            .await?;
        Ok(body.endpoints)
    }

    /// The deliveries of an endpoint, those of the newest events first.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `webhook_not_found` if there is no such endpoint.
    pub async fn deliveries(
        &self,
        endpoint: &str,
        query: &DeliveriesQuery,
    ) -> Result<Vec<Delivery>, Error> {
        #[derive(Deserialize)]
        struct Body {
            deliveries: Vec<Delivery>,
        }
        let path = ["v1", "webhooks", endpoint, "deliveries"];
        let body: Body = self.read(&Call::get(&path, query.query())).await?;
        Ok(body.deliveries)
    }

    /// Lets an endpoint begin again behind a position: an event's, or `beginning`. What waits is forgotten. It is sent
    /// again only after attempts that changed nothing: a second one would repeat deliveries.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `position_invalid`.
    pub async fn replay_webhook(
        &self,
        endpoint: &str,
        after: &str,
    ) -> Result<EndpointRecord, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            after: &'a str,
        }
        let path = ["v1", "webhooks", endpoint, "replay"];
        let about = format!("the replay of webhook {endpoint}");
        let call = Call {
            effect: Effect::EachTime,
            ..Call::post(&path, about, &Body { after })
        };
        let answered: Answered<EndpointRecord> = self.write(&call).await?;
        Ok(answered.record)
    }

    /// Sends an endpoint's dead letters again.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `webhook_stopped`.
    pub async fn retry_webhook(&self, endpoint: &str) -> Result<EndpointRecord, Error> {
        self.steer(endpoint, "retry").await
    }

    /// Lets an endpoint send again, at once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `webhook_stopped`.
    pub async fn enable_webhook(&self, endpoint: &str) -> Result<EndpointRecord, Error> {
        self.steer(endpoint, "enable").await
    }

    /// Lets an endpoint send nothing more, also after a restart.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], such as `webhook_not_found`.
    pub async fn disable_webhook(&self, endpoint: &str) -> Result<EndpointRecord, Error> {
        self.steer(endpoint, "disable").await
    }

    /// What is the same however often it is done.
    async fn steer(&self, endpoint: &str, act: &str) -> Result<EndpointRecord, Error> {
        let path = ["v1", "webhooks", endpoint, act];
        let about = format!("{act} of webhook {endpoint}");
        let call = Call {
            body: None,
            ..Call::post(&path, about, &())
        };
        let answered: Answered<EndpointRecord> = self.write(&call).await?;
        Ok(answered.record)
    }
}
