FROM docker.io/library/python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends postgresql \
 && mkdir -p /var/lib/postgresql/data && chown postgres:postgres /var/lib/postgresql/data
COPY postgres.sh /entry.sh
ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/entry.sh"]
CMD ["postgres"]
