{{/* Labels of every object. Arguments: the chart's scope, and the name of the part. */}}
{{- define "nsm.labels" -}}
{{ include "nsm.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nsm
{{- end }}

{{- define "nsm.selector" -}}
app.kubernetes.io/name: nsm
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "nsm.image" -}}
image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}
