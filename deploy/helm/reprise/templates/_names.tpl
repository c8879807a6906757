{{- define "reprise.fullname" -}}
{{- if contains "reprise" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-reprise" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "reprise.selector" -}}
app.kubernetes.io/name: reprise
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "reprise.labels" -}}
{{ include "reprise.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Of every pod. A Service called reprise would put its address into the environment under our own prefix: no links. */}}
{{- define "reprise.pod" -}}
enableServiceLinks: false
automountServiceAccountToken: false
serviceAccountName: {{ .Values.serviceAccountName }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "reprise.locked" -}}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The secrets of a process, as `value of secret.keys: setting`: none gets what it does not need. */}}
{{- define "reprise.secrets" -}}
{{- $all := dict "databaseUrl" "DATABASE_URL" }}
{{- if ne . "migration" }}
{{- $_ := merge $all (dict "storeUrl" "STORE_URL" "signingKeys" "SIGNING_KEYS" "metricsToken" "METRICS_TOKEN" "upstreamKey" "UPSTREAM_KEY") }}
{{- end }}
{{- if eq . "gateway" }}
{{- $_ := set $all "adminKey" "ADMIN_KEY" }}
{{- end }}
{{- toJson $all }}
{{- end }}

{{/* Variables of a process: its settings over those of all, and where its secrets lie. Numbers as JSON, or Go writes 1e+06. */}}
{{- define "reprise.env" -}}
{{- $settings := dict }}
{{- range list .otherwise .root.Values.settings .own }}
{{- range $name, $value := . }}
{{- $_ := set $settings $name $value }}
{{- end }}
{{- end }}
{{- range $name, $value := $settings }}
- name: REPRISE_{{ $name | upper }}
  value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else if kindIs "slice" $value }}{{ join "," $value | quote }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- range $value, $setting := include "reprise.secrets" .component | fromJson }}
{{- if index $.root.Values.secret.keys $value }}
- name: REPRISE_{{ $setting }}_FILE
  value: /run/secrets/reprise/{{ $value }}
{{- end }}
{{- end }}
{{- end }}

{{- define "reprise.mounts" -}}
- {name: secrets, mountPath: /run/secrets/reprise, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /data}
{{- end }}

{{- define "reprise.volumes" -}}
- name: secrets
  secret:
    secretName: {{ .root.Values.secret.name }}
    defaultMode: 0440
    items:
      {{- range $value, $_ := include "reprise.secrets" .component | fromJson }}
      {{- with index $.root.Values.secret.keys $value }}
      - {key: {{ . | quote }}, path: {{ $value }}}
      {{- end }}
      {{- end }}
- {name: tmp, emptyDir: {}}
{{- end }}
