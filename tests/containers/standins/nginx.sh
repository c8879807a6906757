# What the official image does at its start: its templates, with the environment put in, become the configuration.
set -e
[ -z "$NGINX_ENTRYPOINT_LOCAL_RESOLVERS" ] || NGINX_LOCAL_RESOLVERS=$(awk '$1 == "nameserver" { print $2 }' /etc/resolv.conf | paste -sd ' ')
export NGINX_LOCAL_RESOLVERS
for script in /docker-entrypoint.d/*.envsh; do
  [ ! -x "$script" ] || . "$script"
done
known=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | paste -sd ' ')
for template in /etc/nginx/templates/*.template; do
  envsubst "$known" < "$template" > "/etc/nginx/conf.d/$(basename "$template" .template)"
done
cat > /etc/nginx/nginx.conf <<'CONF'
user www-data;
pid /run/nginx.pid;
error_log /dev/stderr;
events {}
http { access_log /dev/stdout; include /etc/nginx/conf.d/*.conf; }
CONF
exec nginx -c /etc/nginx/nginx.conf -e /dev/stderr -g 'daemon off;'
