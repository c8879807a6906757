FROM docker.io/library/python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends wget gettext-base && mkdir -p /etc/nginx/conf.d /etc/nginx/templates /var/log/nginx
COPY nginx /usr/sbin/nginx
COPY nginx.sh /entry.sh
STOPSIGNAL SIGQUIT
ENTRYPOINT ["sh", "/entry.sh"]
